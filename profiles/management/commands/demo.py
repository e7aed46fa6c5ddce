"""Fill the directory with people to look at."""

from argparse import ArgumentParser
from io import BytesIO
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import QuerySet

from ...demo.busts import draw_bust
from ...models import Profile, User
from ...pictures.templatetags.avatars import pick_hue
from ...search.folding import fold_name
from ..progress import show_progress

BATCH = 1000
# A picture takes some 60 ms and five files: past this many, people have initials.
PICTURES = 480
FIRST = (
    "Amara Bram Chiara Dilnoza Emeka Freya Goran Hana Ilse Jomo Kavya Lior Mirela "
    "Nils Ottoline Paloma Quim Rosa Søren Tala Umar Vesna Wanjiru Xiadani Yusuf Zofia"
).split()
LAST = (
    "Achterberg Bello Castañeda Dvořák Eriksen Fontaine Grünwald Haddad Ivanova "
    "Jovanović Kowalczyk Lindqvist Mbeki Nakamura Okonkwo Petrov Quispe"
).split()
PLACES = (
    "Accra,Bergen,Cusco,Đà Nẵng,Essaouira,Fukuoka,Ghent,Hobart,İzmir,Ljubljana,Mombasa"
).split(",")
BIOS = [
    "Restores harmoniums. Ask me about bellows.",
    "Maps the footpaths that the maps leave out.",
    "Grows forty kinds of bean on a balcony.",
    "Sets type by hand on Thursdays.",
    "",
]
# What a layout has to bear: right to left, a script of its own, and sixty letters in one name.
HARD = {
    3: "ليلى الهاشمي",
    8: "水野 さくら",
    10: "Wilhelmina-Alexandrine von Hohenfels-Liechtenau-Brandenstein",
}


class Command(BaseCommand):
    help = (
        "Adds public people with drawn pictures. Run again, it adds only those who are missing. "
        f"People after the first {PICTURES} have initials."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--profiles", type=int, default=48, help="how many people (48)")

    def handle(self, *args: Any, profiles: int, **options: Any) -> None:
        password = make_password(None)
        for start in range(0, profiles, BATCH):
            add_people(range(start, min(start + BATCH, profiles)), password)
            show_progress(self.stdout, "People", min(start + BATCH, profiles), profiles)
        bare = find_demo_people(min(profiles, PICTURES)).filter(avatar="")
        total = bare.count()
        for done, profile in enumerate(bare, 1):
            add_bust(profile)
            show_progress(self.stdout, "Pictures", done, total)
        self.stdout.write(f"{profiles} demo people are there.")


def name_account(number: int) -> str:
    """Return the user name of a demo person; sorted, they are in the order of their numbers."""
    return f"demo-{number:05}" if number < 100_000 else f"demo-x{number:07}"


def find_demo_people(count: int) -> "QuerySet[Profile]":
    """Return the profiles of the first demo people."""
    names = map(name_account, range(count))
    return Profile.objects.filter(user__username__in=names).select_related("user").order_by("pk")


@transaction.atomic
def add_people(numbers: range, password: str) -> None:
    """Add the demo people with these numbers who are missing, and profiles that are."""
    people = {name_account(number): number for number in numbers}
    found = User.objects.filter(username__in=people)
    known = set(found.values_list("username", flat=True))
    User.objects.bulk_create(
        User(username=name, password=password) for name in people if name not in known
    )
    bare = found.filter(profile=None).order_by("pk").values_list("pk", "username")
    Profile.objects.bulk_create(make_profile(user, people[name]) for user, name in bare)


def make_profile(user: int, number: int) -> Profile:
    """Return the profile of a demo person."""
    first, last = FIRST[number % len(FIRST)], LAST[number * 5 % len(LAST)]
    name = HARD.get(number, f"{first} {last}")
    return Profile(
        user_id=user,
        display_name=name,
        folded_name=fold_name(name),
        location=PLACES[number % len(PLACES)],
        bio=BIOS[number % len(BIOS)],
        visibility=Profile.Visibility.PUBLIC,
    )


def add_bust(profile: Profile) -> None:
    """Give a demo person a drawn picture, on their own colour."""
    file = BytesIO()
    number = int(profile.user.username.removeprefix("demo-"))
    draw_bust(number, pick_hue(profile), 512).save(file, "PNG")
    avatar = profile.avatar.field.make_avatar(ContentFile(file.getvalue()))
    profile.avatar.replace(avatar)
