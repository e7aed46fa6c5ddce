"""Sessions in the database, also for malformed cookies."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """Django's, but it does not query malformed keys: PostgreSQL fails on a NUL."""

    def _validate_session_key(self, key: str) -> bool:
        is_key = super()._validate_session_key(key)  # type: ignore[misc]  # Not in the stubs.
        return is_key and key.isascii() and key.isalnum()
