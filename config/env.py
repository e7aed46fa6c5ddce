"""The variables of the environment: each is read as it is meant, or refused in one line."""

import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

LINE = re.compile(
    r"""\s*(?:export\s+)?(\w+)\s*=\s*("[^"]*"|'[^']*'|.*?)\s*(?:(?<=\s)\#.*)?|\s*(?:\#.*)?"""
)
QUOTED = re.compile(r"""("|')((?:(?!\1).)*)\1""")
FLAGS = dict.fromkeys(("on", "true", "yes", "y", "ok", "1"), True)
FLAGS |= dict.fromkeys(("off", "false", "no", "n", "0"), False)


class WrongVariable(ImproperlyConfigured):
    """One line that names a variable and says what it takes; manage.py prints nothing else."""


class Env(environ.Env):
    """django-environ, but `maybe` is not off, and `$x` does not name another variable."""

    def __init__(self, folder: Path) -> None:
        """Read the environment and, for development, a `.env` in the folder of the project."""
        super().__init__()
        self.folder = folder
        dotenv = clean(os.environ.get("DJANGO_DOTENV", ".env"))
        if dotenv and ("DJANGO_DOTENV" in os.environ or (folder / dotenv).exists()):
            read_dotenv(folder / dotenv)
        # Treat an empty variable as not set: `DJANGO_HTTPS=` does not turn HTTPS off.
        values = {name: clean(value) for name, value in os.environ.items()}
        self.ENVIRON = {name: value for name, value in values.items() if value}

    def get_value(self, var: str, cast: Any = str, default: Any = None, *_: Any) -> Any:
        """Return a variable; Env.str, Env.bool, Env.int and Env.list call this."""
        return read(var, self.ENVIRON[var], cast) if var in self.ENVIRON else default

    def raw(self, var: str, cast: Any, default: Any) -> Any:
        """Return a variable that others read too, quotes included: gunicorn, the image's check."""
        return read(var, os.environ[var], cast) if var in os.environ else default

    def path(self, var: str, default: str) -> Path:
        """Return a path; a relative one begins in the folder of the project."""
        return self.folder / self.ENVIRON.get(var, default)

    def db_url(self, var: str, default: Any) -> Any:
        if var not in self.ENVIRON:
            return default
        try:
            if not re.match(r"sqlite:///.|(postgres(ql)?|psql|pgsql)://.*/.", self.ENVIRON[var]):
                raise ValueError
            database = self.db_url_config(self.ENVIRON[var])
        except ValueError:  # Its text may hold a part of the password.
            raise WrongVariable(
                f"{var} cannot be read. It takes sqlite:////data/db.sqlite3 or "
                "postgres://user:password@host/name, special characters percent-encoded."
            ) from None
        if database["ENGINE"] == self.DB_SCHEMES["sqlite"]:
            database["NAME"] = str(self.folder / database["NAME"])
        return database

    def email_url(self, var: str, default: str) -> Any:
        try:
            mail = self.email_url_config(self.ENVIRON.get(var, default))
            if "smtp" in mail["EMAIL_BACKEND"] and not mail["EMAIL_HOST"]:
                raise ValueError
        except (ImproperlyConfigured, ValueError):
            raise WrongVariable(
                f"{var} cannot be read. It takes smtp+tls://user:password@mail.example:587, "
                "special characters percent-encoded."
            ) from None
        return mail


def read_dotenv(path: Path) -> None:
    """Add the variables in a file to the environment, which has priority."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError):
        raise WrongVariable(f"DJANGO_DOTENV: {path} is not a file of UTF-8 text.") from None
    for number, line in enumerate(lines, 1):
        if not (match := LINE.fullmatch(line)):
            raise WrongVariable(f"DJANGO_DOTENV: line {number} of {path} is not NAME=value.")
        if match[1]:
            os.environ.setdefault(match[1], clean(match[2]))


def clean(value: str) -> str:
    """Remove the spaces and the pair of quotes around a value, as `docker --env-file` does not."""
    match = QUOTED.fullmatch(value.strip())
    return (match[2] if match else value).strip()


def read(name: str, value: str, kind: Any) -> Any:
    takes, parse = KINDS[kind]
    try:
        return parse(value)
    except (KeyError, ValueError):
        raise WrongVariable(f"{name} is {value!r}. It takes {takes}.") from None


def to_number(value: str, least: int = 0, most: int = 999_999_999) -> int:
    if not value.isdecimal() or not least <= int(value) <= most:
        raise ValueError
    return int(value)


def to_networks(value: str) -> list[str]:
    networks = [part.strip() for part in value.split(",") if part]
    return [part for part in networks if part == "*" or ip_network(part)]


def to_host(value: str) -> str:
    host = value.strip("[]")
    return host if re.fullmatch(r"[\w.-]+", host) else str(ip_address(host))


# What a variable takes, and how it is read.
KINDS: dict[Any, Any] = {
    str: ("a text", str),
    bool: ("on or off", lambda value: FLAGS[value.lower()]),
    int: ("a whole number", to_number),
    list: ("a list", lambda value: [item for part in value.split(",") if (item := clean(part))]),
    "host": ("an address or a host name", to_host),
    "port": ("a number below 65536, no quotes", lambda value: to_number(value or "8000", 1, 65535)),
    "workers": ("a number of at least 1, no quotes", lambda value: to_number(value, 1)),
    "networks": ("addresses or networks, comma separated, or *, no quotes", to_networks),
}
