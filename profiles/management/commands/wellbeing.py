"""Say how the site is."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from config.health import find_faults
from config.wellbeing import Sentence, describe, find_facts


class Command(BaseCommand):
    help = (
        "Says how the site is. What needs attention is printed to standard error, and makes the "
        "exit status 1."
    )
    requires_system_checks = []  # One that fails must not hide the rest.

    def handle(self, *args: Any, **options: Any) -> None:
        faults = find_faults(with_media=False)
        # With a fault, the database may know nothing else.
        try:
            sentences = [Sentence(False, fault) for fault in faults] or list(describe(find_facts()))
        except DatabaseError as error:
            sentences = [Sentence(False, f"The database has failed: {error}")]
        for sentence in sentences:
            if sentence.is_well:
                self.stdout.write(f"  {sentence.text}")
            else:
                self.stderr.write(f"! {sentence.text} {sentence.advice}".rstrip())
        if unwell := sum(not sentence.is_well for sentence in sentences):
            raise CommandError(f"{unwell} of {len(sentences)} need attention.", returncode=1)
