"""Make every avatar anew, after the sizes or the encoder have changed."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from ...models import Profile
from ...pictures.fields import get_storage, make_avatar


class Command(BaseCommand):
    help = "Makes all sizes of every avatar anew from its largest file, under fresh names."

    def handle(self, *args: Any, **options: Any) -> None:
        done = failed = 0
        for profile in Profile.objects.exclude(avatar="").order_by("pk").iterator(100):
            name = profile.avatar.name
            try:
                with get_storage(name).open(name) as file:
                    avatar = make_avatar(file)
                profile.avatar.replace(avatar, only_if=name)
                done += 1
            except Profile.DoesNotExist:
                continue
            except (OSError, ValidationError) as error:
                if Profile.objects.filter(pk=profile.pk, avatar=name).exists():
                    failed += 1
                    self.stderr.write(f"{name}: {error}")
        self.stdout.write(f"{done} avatars made anew.")
        if failed:
            raise CommandError(f"{failed} avatars could not be read; they are as they were.")
