"""Note that a backup has just been made, for /metrics and `manage.py wellbeing`."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from ...pictures.models import LastRun


class Command(BaseCommand):
    help = "Notes that a backup has just been made. Run it after each that has succeeded."

    def handle(self, *args: Any, **options: Any) -> None:
        LastRun.objects.update_or_create({"finished": timezone.now()}, name="backup")
