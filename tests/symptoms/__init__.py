"""Faults of static and media files: each is a change of a copy of examples/smallest.

`make symptoms` makes them all, and records what is seen in profiles/lesson/symptoms.json.
"""
