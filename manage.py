#!/usr/bin/env python
"""Django's command line."""

import os
import sys
from io import TextIOWrapper

from django.core.management import execute_from_command_line

from config.env import WrongVariable
from config.version import find_version

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Whatever the locale: names of people and of files have any letters, and so do dumps.
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    # Django would print its own version, as it does with --version.
    if sys.argv[1:] == ["version"]:
        print(find_version())
        sys.exit()
    try:
        execute_from_command_line(sys.argv)
    except WrongVariable as error:
        sys.exit(str(error))
