"""Accounts, profiles and groups in Django's admin, which imports this."""

from . import accounts, groups, people

__all__ = ["accounts", "groups", "people"]
