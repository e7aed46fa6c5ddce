"""Let somebody who has lost passkey, app and recovery codes sign in by the password alone."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...accounts.factors import remove_factors
from ...models import User


class Command(BaseCommand):
    help = "Remove all second factors of an account; its password is enough again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username.lower()).first()
        if user is None:
            raise CommandError(f"Nobody is called {username!r}.")
        remove_factors(user)
        self.stdout.write(f"{user.username} signs in by the password alone.")
