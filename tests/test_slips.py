"""What an operator mistypes in the environment: it is understood, or named in one line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .helpers.servers import GUNICORN, ROOT, SERVE, get, make_environment, serve

WITHOUT_CONFIG = ("-m", "gunicorn", "config.wsgi")
KEY = "$of 'the' tests, and longer than fifty characters, as Django asks"


def run(
    environment: dict[str, str], folder: Path, *command: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("DJANGO_DEBUG", "on # dev", "on or off"),
        ("DJANGO_HTTPS", "maybe", "on or off"),
        ("DJANGO_TRUSTED_PROXIES", "one", "a whole number"),
        ("DJANGO_THROTTLE_MAIL", "-1", "a whole number"),
        ("HOST", "http://likeness.example", "an address or a host name"),
        ("PORT", "http", "a number below 65536, no quotes"),
        ("PORT", "65536", "a number below 65536, no quotes"),
        # gunicorn reads these two itself: as they are.
        ("WEB_CONCURRENCY", "two", "a number of at least 1, no quotes"),
        ("WEB_CONCURRENCY", "", "a number of at least 1, no quotes"),
        ("FORWARDED_ALLOW_IPS", '"*"', "addresses or networks, comma separated, or *, no quotes"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named_in_one_line(
    name: str, value: str, takes: str, tmp_path: Path
) -> None:
    done = run(make_environment(tmp_path, **{name: value}), ROOT, "manage.py", "check")
    assert done.returncode == 1
    assert done.stdout + done.stderr == f"{name} is {value!r}. It takes {takes}.\n"


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("DATABASE_URL", "mysql://ada:secret@db/likeness", "postgres://user:password@host/name"),
        ("DATABASE_URL", "postgres://ada:se/cret@db/likeness", "percent-encoded"),
        ("DATABASE_URL", "postgres://ada:secret@db", "postgres://user:password@host/name"),
        ("DATABASE_URL", "sqlite://db.sqlite3", "sqlite:////data/db.sqlite3"),
        ("EMAIL_URL", "ada:secret@mail.example:587", "smtp+tls://user:password@mail.example:587"),
        ("EMAIL_URL", "smtp+tls://ada:se#cret@mail.example:587", "percent-encoded"),
        ("EMAIL_URL", "smtp+tls:mail.example:587", "smtp+tls://user:password@mail.example:587"),
    ],
)
def test_an_address_that_cannot_be_read_is_named_without_its_password(
    name: str, value: str, takes: str, tmp_path: Path
) -> None:
    done = run(make_environment(tmp_path, **{name: value}), ROOT, "manage.py", "migrate")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name} cannot be read. It takes ")
    assert takes in done.stderr
    assert done.stderr.count("\n") == 1
    assert "cret" not in done.stderr


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "{path} is not a file of UTF-8 text."),
        ("DJANGO_DEBUG=on".encode("utf-16"), "{path} is not a file of UTF-8 text."),
        (b"# Ours\nDJANGO_SECRET_KEY: secret", "line 2 of {path} is not NAME=value."),
    ],
)
def test_a_dotenv_that_cannot_be_read_is_named(
    content: bytes | None, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "site.env"
    if content is not None:
        path.write_bytes(content)
    environment = make_environment(tmp_path, DJANGO_DOTENV=str(path))
    done = run(environment, ROOT, "manage.py", "check")
    assert done.returncode == 1
    assert done.stderr == f"DJANGO_DOTENV: {sentence.format(path=path)}\n"


def test_quotes_spaces_comments_and_relative_paths_are_understood(tmp_path: Path) -> None:
    """As `docker --env-file` and editors leave them, and from another folder."""
    dotenv = tmp_path / "site.env"
    dotenv.write_text(
        "\ufeffDJANGO_DEBUG = on # dev\n\n  # Ours\n"
        "export DEFAULT_FROM_EMAIL='Ada # 1 <ada@likeness.example>' # the sender\r\n"
        "DJANGO_RESERVED_USERNAMES=boss#1\nMEDIA_ROOT=from/the/file\n",
        "utf-8",
    )
    environment = make_environment(
        tmp_path,
        DJANGO_DOTENV=f'"{dotenv}"',
        DJANGO_SECRET_KEY=f'"{KEY}"',
        DJANGO_SECRET_KEY_FALLBACKS="\"$old\", 'older',it's",
        DJANGO_ALLOWED_HOSTS='"likeness.example, www.likeness.example:8443"',
        DJANGO_CSRF_TRUSTED_ORIGINS="'https://likeness.example' , ",
        DJANGO_TRUSTED_PROXIES='"1"',
        FORWARDED_ALLOW_IPS="10.0.0.5, 10.1.0.0/16",
        HOST='"[::1]"',
        PORT="",
        DATABASE_URL='"sqlite:///data/db.sqlite3"',
        EMAIL_URL="'smtp+tls://ada:pass@mail.example:587'",
        STATIC_ROOT='"static files"',
        MEDIA_ROOT="data/media",
        AWS_STORAGE_BUCKET_NAME='"likeness-media"',
        AWS_SECRET_ACCESS_KEY='"of the bucket"',
    )
    names = "DEBUG SECRET_KEY SECRET_KEY_FALLBACKS HOSTS CSRF_TRUSTED_ORIGINS TRUSTED_PROXIES HOST "
    names += "FORWARDED_ALLOW_IPS EMAIL_HOST DEFAULT_FROM_EMAIL AWS_SECRET_ACCESS_KEY PORT "
    names += "STATIC_ROOT MEDIA_ROOT"
    code = f"""
import json
from django.conf import settings
values = {{name: getattr(settings, name) for name in {names!r}.split()}}
values["database"] = settings.DATABASES["default"]["NAME"]
print(json.dumps(values | {{"boss": "boss#1" in settings.RESERVED_USERNAMES}}, default=str))
"""
    shell = ("shell", "--no-imports", "-c", code)
    done = run(environment, tmp_path, str(ROOT / "manage.py"), *shell)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "DEBUG": True,
        "SECRET_KEY": KEY,
        "SECRET_KEY_FALLBACKS": ["$old", "older", "it's", f'"{KEY}"'],
        "HOSTS": [["likeness.example"], ["www.likeness.example", "8443"]],
        "CSRF_TRUSTED_ORIGINS": ["https://likeness.example"],
        "TRUSTED_PROXIES": 1,
        "FORWARDED_ALLOW_IPS": ["10.0.0.5", "10.1.0.0/16"],
        "HOST": "::1",
        "PORT": 8000,
        "EMAIL_HOST": "mail.example",
        "DEFAULT_FROM_EMAIL": "Ada # 1 <ada@likeness.example>",
        "AWS_SECRET_ACCESS_KEY": "of the bucket",
        "STATIC_ROOT": str(ROOT / "static files"),
        "MEDIA_ROOT": str(ROOT / "data/media"),
        "database": str(ROOT / "data/db.sqlite3"),
        "boss": True,
    }


@pytest.mark.slow
def test_gunicorn_finds_its_configuration_and_hosts_in_quotes_are_served(
    prepared: Path, tmp_path: Path
) -> None:
    hosts = '"likeness.example, www.likeness.example"'
    environment = make_environment(prepared, DJANGO_ALLOWED_HOSTS=hosts)
    path = tmp_path / "log"
    with path.open("w") as log, serve(environment, *WITHOUT_CONFIG, output=log) as port:
        for host in ("likeness.example", "www.likeness.example"):
            assert get(port, "/", Host=host)[0].status == 200
        assert get(port, "/", Host="other.example")[0].status == 400
    text = path.read_text("utf-8")
    assert "System check identified" in text
    assert "Using worker: gthread" in text


@pytest.mark.slow
def test_gunicorn_without_its_configuration_does_not_start(prepared: Path, tmp_path: Path) -> None:
    environment = make_environment(prepared, GUNICORN_CMD_ARGS=f"--bind=unix:{tmp_path}/socket")
    done = run(environment, tmp_path, *WITHOUT_CONFIG, "--chdir", str(ROOT))
    assert done.returncode == 4
    assert "\nLikeness does not start without its checks: add --config config/" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_gunicorn_does_not_start_beside_a_developers_dotenv(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DJANGO_DEBUG=on\n", "utf-8")
    environment = make_environment(prepared, DJANGO_DOTENV=str(tmp_path / ".env"))
    done = run(environment, ROOT, *GUNICORN)
    assert done.returncode == 1
    assert "(profiles.E018) gunicorn is to serve the site with DJANGO_DEBUG on." in done.stderr
    assert done.stderr.endswith("Likeness does not start: fix the errors above.\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("WEB_CONCURRENCY", "two", "a number of at least 1, no quotes"),
        ("WEB_CONCURRENCY", "", "a number of at least 1, no quotes"),
        ("FORWARDED_ALLOW_IPS", '"*"', "addresses or networks, comma separated, or *, no quotes"),
        ("PORT", "65536", "a number below 65536, no quotes"),
    ],
)
def test_a_site_that_does_not_start_names_what_gunicorn_cannot_read(
    name: str, value: str, takes: str, tmp_path: Path
) -> None:
    done = run(make_environment(tmp_path, **{name: value}), tmp_path, str(ROOT / SERVE[0]))
    assert done.returncode == 1
    assert done.stdout + done.stderr == f"{name} is {value!r}. It takes {takes}.\n"


@pytest.mark.slow
def test_gunicorn_is_told_which_variable_its_port_comes_from(tmp_path: Path) -> None:
    done = run(make_environment(tmp_path, PORT="http"), ROOT, *GUNICORN)
    lines = done.stderr.splitlines()[1:]  # The first one is the line in its log that it starts.
    assert lines == [
        "PORT is 'http'. It takes a number below 65536, no quotes.",
        "Likeness does not start: fix the errors above.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::1", '"[::1]"'])
def test_gunicorn_listens_on_an_address_of_ipv6(host: str, tmp_path: Path) -> None:
    environment = make_environment(tmp_path, HOST=host, PORT="8001")
    done = run(environment, ROOT, *GUNICORN, "--print-config")
    assert "= ['[::1]:8001']" in done.stdout


def test_the_server_of_a_bucket_without_its_scheme_is_named_by_commands_too(
    tmp_path: Path, prepared: Path
) -> None:
    shutil.copy(prepared / "db.sqlite3", tmp_path)
    bucket = {"AWS_STORAGE_BUCKET_NAME": "likeness", "AWS_S3_ENDPOINT_URL": "s3.example"}
    done = run(make_environment(tmp_path, **bucket), ROOT, "manage.py", "audit_media")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "in the bucket likeness: Invalid endpoint: s3.example." in done.stderr
