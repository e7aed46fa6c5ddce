"""Sessions in the database, for cookies of any content."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """Django's, but a key that Django never made is not looked for: PostgreSQL fails on a NUL."""

    def _validate_session_key(self, key: str) -> bool:
        is_key = super()._validate_session_key(key)  # type: ignore[misc]  # Not in the stubs.
        return is_key and key.isascii() and key.isalnum()
