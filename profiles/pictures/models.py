"""The model of the journal, where Django looks for models; journal.py explains it."""

from django.db import models


class JournalEntry(models.Model):
    """The files of one avatar that no row names: they are being written, or must be deleted."""

    field = models.CharField(max_length=255)  # Such as "profiles.Profile.avatar".
    name = models.TextField()  # As a row holds it: the name of the largest file.
    is_leaving = models.BooleanField(default=False)
    # Until then, a process may be writing the files, also if `tidy` has taken the entry.
    written_until = models.DateTimeField(null=True)
    due = models.DateTimeField(db_index=True)  # From then on, `tidy` deletes the files.
    tries = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}, {'leaving' if self.is_leaving else 'arriving'}"
