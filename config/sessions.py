"""Sessions in the database, also for malformed cookies, and on a full disk."""

import logging

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError

from .outages import explain_write_error

logger = logging.getLogger(__name__)


class SessionStore(db.SessionStore):
    """Django's, but it does not query malformed keys: PostgreSQL fails on a NUL."""

    def _validate_session_key(self, key: str) -> bool:
        is_key = super()._validate_session_key(key)  # type: ignore[misc]  # Not in the stubs.
        return is_key and key.isascii() and key.isalnum()

    def save(self, must_create: bool = False) -> None:
        """Save the session; while the database cannot be written, keep the one that is stored.

        Django would answer any error with 400, as if the visitor had signed out meanwhile.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            cause = error.__context__
            if explain_write_error(cause):
                logger.warning("The session cannot be saved: %s", cause)
            elif isinstance(cause, OperationalError):
                raise cause from None  # As everywhere else.
            else:
                raise
