"""What whoever looks after the site should know, and which of it needs attention.

Only what the database and the disks know, so that every worker says the same. /metrics and
`manage.py wellbeing` report it. deploy/alerts.yml has the same limits; a test compares them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, Min
from django.utils import timezone
from django.utils.timesince import timesince

from profiles.models import PROTECTED_TO, PUBLIC_TO, Profile, User
from profiles.pictures.models import JournalEntry, LastRun
from profiles.throttles import count_locked

from .health import Disk, can_write_media, find_disks
from .version import find_version

MAX_WAIT = timedelta(minutes=15)  # In the journal; `tidy` runs every minute.
MAX_AUDIT_AGE = timedelta(days=8)  # An audit a week, and a day to spare.
MAX_BACKUP_AGE = timedelta(hours=26)  # A backup a day, and the time that it takes.
MAX_LOCKED = 50
NEVER = datetime.fromtimestamp(0, UTC)


class Facts(NamedTuple):
    active: int
    inactive: int
    public: int
    protected: int
    can_write_media: bool
    waiting: int  # In the journal.
    oldest: datetime | None
    audit: LastRun
    backup: LastRun
    locked: int
    disks: list[Disk]


class Sentence(NamedTuple):
    is_well: bool
    text: str
    advice: str = ""  # If it is not.


def find_facts() -> Facts:
    """Ask the database and the disks; docs/deploying.md says how long it takes."""
    inactive = User.objects.filter(is_active=False).count()
    journal = JournalEntry.objects.aggregate(number=Count("pk"), oldest=Min("made"))
    return Facts(
        active=User.objects.count() - inactive,
        inactive=inactive,
        public=count_pictures(PUBLIC_TO),
        protected=count_pictures(PROTECTED_TO),
        can_write_media=can_write_media(),
        waiting=journal["number"],
        oldest=journal["oldest"],
        audit=find_run("audit"),
        backup=find_run("backup"),
        locked=count_locked(),
        disks=list(find_disks(with_media=True)),
    )


def count_pictures(folder: str) -> int:
    if connection.vendor != "sqlite":
        return Profile.objects.filter(avatar__startswith=folder).count()
    # SQLite finds a range by the index, not what a name begins with. "0" comes after "/".
    return Profile.objects.filter(avatar__gt=folder, avatar__lt=f"{folder[:-1]}0").count()


def find_run(name: str) -> LastRun:
    return LastRun.objects.filter(name=name).first() or LastRun(name=name, finished=NEVER)


def describe(facts: Facts) -> Iterator[Sentence]:
    """Yield a sentence for each fact."""
    now = timezone.now()
    audit, oldest = facts.audit, facts.oldest or now
    yield Sentence(True, f"Version {find_version()} runs.")
    yield Sentence(True, f"{facts.active} accounts are active, {facts.inactive} are not.")
    yield Sentence(True, f"{facts.public} pictures are public, {facts.protected} protected.")
    yield Sentence(
        facts.can_write_media,
        f"The media storage can{'' if facts.can_write_media else 'not'} be written.",
        "Nobody can upload a picture. Is its disk mounted, and does the bucket answer?",
    )
    yield Sentence(
        now - oldest <= MAX_WAIT,
        f"{facts.waiting} avatars wait to be stored or deleted"
        f"{f', the first for {measure(oldest, now)}' * bool(facts.oldest)}.",
        "Does `manage.py tidy` run every minute? Run it, and read what it says.",
    )
    yield Sentence(
        not (audit.missing or audit.damaged or audit.misplaced),
        f"The last audit found {audit.missing} files missing, {audit.damaged} damaged and "
        f"{audit.misplaced} pictures misplaced.",
        "Run `manage.py audit_media --fix`, which names them, and see the manual, Backup.",
    )
    for run, limit, advice in (
        (audit, MAX_AUDIT_AGE, "Run `manage.py audit_media` every week."),
        (facts.backup, MAX_BACKUP_AGE, "Make one every day; `manage.py record_backup` notes it."),
    ):
        text = f"The last {run.name} was {measure(run.finished, now)} ago."
        if run.finished == NEVER:
            text = f"There was no {run.name} yet."
        yield Sentence(now - run.finished <= limit, text, advice)
    yield Sentence(
        facts.locked <= MAX_LOCKED,
        f"{facts.locked} visitors or accounts have to wait, after too many attempts.",
        "Somebody may be guessing passwords: look in the log for the addresses of status 429.",
    )
    for disk in facts.disks:
        sizes = f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.1f} GB"
        advice = "Delete what is not needed, or make it larger."
        yield Sentence(not disk.is_full, f"The disk of {disk.name} has {sizes} left.", advice)


def measure(then: datetime, now: datetime) -> str:
    """Return how long something was ago, in ASCII: cron may have no other letters."""
    return timesince(then, now).replace("\N{NO-BREAK SPACE}", " ")
