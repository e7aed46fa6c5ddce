"""Fill an empty, migrated database with people of many languages, a million in some minutes.

`python -m bench.people 1000000`, with DATABASE_URL as for the site; `--public 1` makes one per cent
of them public. The same arguments always make the same people. Half of them name a picture whose
files do not exist: pages do not open them.
"""

import argparse
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import django

BATCH = 20_000
SYLLABLES = [consonant + vowel for consonant in "bdklmnrstz" for vowel in "aeiou"]
# (of so many in a thousand, first names, last names)
NAMES = [
    (
        470,
        "Amara Bram Chiara Dilnoza Emeka Freya Goran Hana Ilse José Kavya Łukasz María Nils "
        "Ottoline Paloma Quim Rosa Søren Tala Umar Vesna Wanjiru Zoë Yusuf Zofia Jean-Luc Ådne",
        "Achterberg Bello Castañeda Dvořák Eriksen Fontaine García Grünwald Haddad Jovanović "
        "Lindqvist Mbeki Müller Nakamura Nguyễn Okonkwo O’Neill Petrov Quispe Strauß",
    ),
    (
        110,
        "Анна Борис Вера Григорий Дарья Елена Иван Ксения Людмила Михаил Наталья Ольга",
        "Васильева Иванова Кузнецова Михайлов Новикова Петров Попов Смирнов Соколова Фёдоров",
    ),
    (
        90,
        "أحمد خالد زينب فاطمة ليلى محمد مريم يوسف",
        "الخطيب العلي النجار الهاشمي حسن منصور",
    ),
    (10, "Amara Chiara Freya Nils Rosa Zoë", "🦕 🌻 🦊"),
]
# Written without a space.
CHINESE = (
    150,
    "王李張劉陳楊黃趙吳周徐孫馬朱胡郭何高林鄭",
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平",
)
NAMELESS = 30  # The rest have names that few others have.
USER = "id username password email is_superuser is_staff is_active date_joined".split()
PROFILE = (
    "id user_id display_name folded_name bio location website visibility avatar description"
).split()


def main() -> None:
    """Read the arguments, and fill the database of the environment."""
    parser = argparse.ArgumentParser(description="Fill an empty, migrated database with people.")
    parser.add_argument("count", type=int)
    parser.add_argument("--public", type=int, default=70, help="how many per cent are public (70)")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    fill(arguments.count, arguments.public)


def fill(count: int, public: int) -> None:
    """Add the people in one transaction."""
    from django.db import connection, transaction

    people = make_people(count, public)
    with transaction.atomic():
        while batch := list(islice(people, BATCH)):
            for table, columns, rows in zip(
                ("profiles_user", "profiles_profile"),
                (USER, PROFILE),
                zip(*batch, strict=True),
                strict=True,
            ):
                insert(table, columns, rows)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in ("profiles_user", "profiles_profile"):
                sequence = f"pg_get_serial_sequence('{table}', 'id')"
                cursor.execute(f"SELECT setval({sequence}, %s)", [count])
                cursor.execute(f"VACUUM ANALYZE {table}")  # As autovacuum does, a minute later.


def insert(table: str, columns: list[str], rows: tuple[tuple[Any, ...], ...]) -> None:
    """Add rows in the way that is the quickest on each database."""
    from django.db import connection

    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        places = ", ".join("?" * len(columns))
        # Past Django, which would look through each statement for parameters.
        connection.connection.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({places})",  # noqa: S608  # Of this file.
            rows,
        )


def make_people(count: int, public: int) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Yield the rows of each person, of the account and of the profile."""
    from profiles.search.folding import fold_name

    chance = random.Random(1815)
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    for key in range(1, count + 1):
        stem = "".join(chance.choices(SYLLABLES, k=chance.choice([2, 3, 4])))
        username = f"{stem}{chance.choice(['', '-', '_'])}{key:x}"
        name, token = make_name(chance), f"{chance.getrandbits(128):032x}"
        place = chance.random() * 100
        visibility = "public" if place < public else "members" if place < 95 else "private"
        # An account in 200 is disabled, and then its picture is protected.
        is_active = key % 200 != 0
        folder = "avatars" if visibility == "public" and is_active else "protected"
        avatar = f"{folder}/{token[:2]}/{token}-512.webp" if chance.random() < 0.5 else ""
        email = f"{username}@example.org" if key % 3 else ""
        joined = (begin + timedelta(minutes=key)).isoformat(" ")
        bio = "Restores harmoniums. Ask me about bellows." if key % 4 else ""
        yield (
            (key, username, "!", email, False, False, is_active, joined),
            (key, key, name, fold_name(name), bio, "Ghent", "", visibility, avatar, ""),
        )


def make_name(chance: random.Random) -> str:
    place = chance.randrange(1000)
    if (place := place - NAMELESS) < 0:
        return ""
    share, surnames, names = CHINESE
    if (place := place - share) < 0:
        return chance.choice(surnames) + "".join(chance.choices(names, k=chance.choice([1, 2])))
    for share, firsts, lasts in NAMES:
        if (place := place - share) < 0:
            return f"{chance.choice(firsts.split())} {chance.choice(lasts.split())}"
    first, last = ("".join(chance.choices(SYLLABLES, k=k)).title() for k in (3, 4))
    return f"{first} {last}"


if __name__ == "__main__":
    main()
