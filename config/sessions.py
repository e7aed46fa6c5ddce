"""Sessions in the database, also for malformed cookies, and on a full disk."""

import logging

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError

logger = logging.getLogger(__name__)


class SessionStore(db.SessionStore):
    """Django's, but it does not query malformed keys: PostgreSQL fails on a NUL."""

    def _validate_session_key(self, key: str) -> bool:
        is_key = super()._validate_session_key(key)  # type: ignore[misc]  # Not in the stubs.
        return is_key and key.isascii() and key.isalnum()

    def save(self, must_create: bool = False) -> None:
        """Save the session; only a new one must be saved.

        Django would answer a full disk with 400, as if the visitor had signed out meanwhile.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            if not isinstance(error.__context__, OperationalError):
                raise
            logger.warning("The session cannot be saved: %s", error.__context__)
