"""What this app stores: the journal, which journal.py explains, and when commands were run."""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class JournalEntry(models.Model):
    """The files of one avatar that no row names: they are being written, or must be deleted."""

    field = models.CharField(max_length=255)  # Such as "profiles.Profile.avatar".
    name = models.TextField()  # As a row holds it: the name of the largest file.
    is_leaving = models.BooleanField(default=False)
    # Until then, a process may be writing the files, also if `tidy` has taken the entry.
    written_until = models.DateTimeField(null=True)
    due = models.DateTimeField(db_index=True)  # From then on, `tidy` deletes the files.
    tries = models.PositiveIntegerField(default=0)
    made = models.DateTimeField(db_default=Now())  # `due` changes with each try.

    def __str__(self) -> str:
        return f"{self.name}, {'leaving' if self.is_leaving else 'arriving'}"


class LastRun(models.Model):
    """When something that has to be done regularly was last finished, and what it found."""

    name = models.CharField(max_length=20, primary_key=True)  # "audit", or a project's own.
    finished = models.DateTimeField(default=timezone.now)
    missing = models.PositiveIntegerField(default=0)
    damaged = models.PositiveIntegerField(default=0)
    misplaced = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}, {self.finished}"


class Progress(models.Model):
    """How far a command has come that takes long, so that it can go on there."""

    name = models.CharField(max_length=300, primary_key=True)  # The command, and of what.
    options = models.JSONField()  # With others, it begins again.
    position = models.JSONField()
    counts = models.JSONField()
    changed = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}, {self.changed}"
