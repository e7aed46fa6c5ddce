"""Fill the directory with people to look at."""

from argparse import ArgumentParser
from io import BytesIO
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from django.db.models import QuerySet

from ...demo.busts import draw_bust
from ...models import Profile, User, fold
from ...pictures.templatetags.avatars import pick_hue

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
            self.show_progress("People", min(start + BATCH, profiles), profiles)
        bare = find_demo_people(min(profiles, PICTURES)).filter(avatar="")
        total = bare.count()
        for done, profile in enumerate(bare, 1):
            add_bust(profile)
            self.show_progress("Pictures", done, total)
        self.stdout.write(f"{profiles} demo people are there.")

    def show_progress(self, what: str, done: int, total: int) -> None:
        if self.stdout.isatty():
            filled = 40 * done // total
            end = "\n" if done == total else ""
            self.stdout.write(f"\r{what:9}[{'#' * filled:40}] {done}/{total}", ending=end)
            self.stdout.flush()


def name_person(number: int) -> tuple[str, str]:
    """Return the user name and the name of a demo person."""
    first, last = FIRST[number % len(FIRST)], LAST[number * 5 % len(LAST)]
    return f"demo-{number:05}", HARD.get(number, f"{first} {last}")


def find_demo_people(count: int) -> "QuerySet[Profile]":
    """Return the profiles of the first demo people."""
    names = [name_person(number)[0] for number in range(count)]
    return Profile.objects.filter(user__username__in=names).select_related("user").order_by("pk")


def add_people(numbers: range, password: str) -> None:
    """Add the demo people with these numbers who are missing, and profiles that are."""
    people = dict(map(name_person, numbers))
    known = set(User.objects.filter(username__in=people).values_list("username", flat=True))
    users = [User(username=name, password=password) for name in people if name not in known]
    User.objects.bulk_create(users)
    bare = User.objects.filter(username__in=people, profile=None).order_by("pk")
    Profile.objects.bulk_create(make_profile(user, people[user.username]) for user in bare)


def make_profile(user: User, name: str) -> Profile:
    """Return the profile of a demo person."""
    number = int(user.username.removeprefix("demo-"))
    return Profile(
        user=user,
        display_name=name,
        folded_name=fold(name),
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
