"""The site's settings with Django's default hasher of passwords, for `bench.sign_in`."""

from config.settings import *  # noqa: F403  # All of them, but one.
from config.settings import PASSWORD_HASHERS

PASSWORD_HASHERS = PASSWORD_HASHERS[1:]
