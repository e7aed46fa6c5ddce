"""What a visitor reads while the database cannot be written."""

from django.utils.translation import gettext_noop

FULL = gettext_noop(
    "Our disk is full. Everything that was saved before is still there. Try again in a minute."
)
READ_ONLY = gettext_noop(
    "Our disk cannot be written. Everything that was saved before is still there. "
    "Try again in a minute."
)
# By the start of SQLite's name of the error, or by PostgreSQL's SQLSTATE.
SENTENCES = {
    "SQLITE_FULL": FULL,
    "SQLITE_IOERR": READ_ONLY,
    "SQLITE_READONLY": READ_ONLY,
    "53100": FULL,
    "25006": READ_ONLY,
}


def explain_write_error(error: BaseException | None) -> str:
    """Return the sentence for an error of Django's; "" if it has another reason."""
    cause = getattr(error, "__cause__", None)
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    return next((text for start, text in SENTENCES.items() if code.startswith(start)), "")
