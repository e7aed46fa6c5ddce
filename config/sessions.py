"""Sessions in the database, with where and when; also for malformed cookies, and on a full disk."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError, OperationalError, transaction
from django.utils import timezone

from profiles.models import Session

from .outages import explain_write_error

logger = logging.getLogger(__name__)
# A visit is stored at most this often: a page that is only read should write nothing.
VISIT_PERIOD = timedelta(minutes=5)
# How many ended sessions are deleted at once.
BATCH = 1000


class SessionStore(db.SessionStore):
    """Django's, in the site's own table.

    It does not query malformed keys: PostgreSQL fails on a NUL.
    """

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session: Session = super().create_model_instance(data)  # type: ignore[assignment]  # Of `get_model_class`.
        session.user_id = data.get(SESSION_KEY)
        # From the data, so that it stays when the key changes, as it does with the password.
        if sign_in := data.get("sign_in"):
            session.browser, session.network = sign_in["browser"], sign_in["network"]
            session.begun = datetime.fromisoformat(sign_in["begun"])
        session.expire_date = min(session.expire_date, session.find_end(session.seen))
        return session

    def load(self) -> dict[str, Any]:
        session: Session | None = self._get_session_from_db()  # type: ignore[attr-defined]  # Not in the stubs.
        if not session:
            return {}
        if session.user_id and session.seen < timezone.now() - VISIT_PERIOD:
            self.store_visit(session)
        return self.decode(session.session_data)

    def store_visit(self, session: Session) -> None:
        """Store that the member is here, which moves the end; not if nothing can be written."""
        now = timezone.now()
        mine = Session.objects.filter(pk=session.pk, seen=session.seen)
        try:
            with transaction.atomic():
                mine.update(seen=now, expire_date=session.find_end(now))
        except DatabaseError as error:
            logger.warning("A visit cannot be stored: %s", error)

    @classmethod
    def clear_expired(cls) -> None:
        """Delete some at a time: SQLite cannot be written by others meanwhile."""
        # The second is Django's own table, which earlier releases used.
        for model in (Session, db.SessionStore.get_model_class()):
            expired = model.objects.filter(expire_date__lt=timezone.now())
            while keys := list(expired.values_list("pk", flat=True)[:BATCH]):
                expired.filter(pk__in=keys).delete()

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
