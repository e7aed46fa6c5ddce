"""Commands where the locale knows ASCII alone, as in a shell or a unit that sets none."""

from pathlib import Path

import pytest

from .helpers.servers import make_environment, manage

pytestmark = pytest.mark.slow
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_the_deployment_is_checked_in_any_locale(prepared: Path) -> None:
    environment = make_environment(prepared, DJANGO_TRUSTED_PROXIES="1", **ASCII)
    done = manage(environment, "check", "--deploy", "--fail-level", "ERROR")
    assert done.returncode == 0, done.stderr


def test_any_name_of_a_file_is_printed_in_any_locale(prepared: Path, tmp_path: Path) -> None:
    environment = make_environment(prepared, MEDIA_ROOT=str(tmp_path), **ASCII)
    (tmp_path / "avatars").mkdir()
    (tmp_path / "avatars" / "grüße.webp").write_bytes(b"")
    done = manage(environment, "audit_media", "--older-than", "0")
    assert "orphan    avatars/grüße.webp" in done.stdout, done.stderr


def test_names_of_people_are_printed_in_any_locale(prepared: Path) -> None:
    environment = make_environment(prepared, **ASCII)
    done = manage(environment, "shell", "--no-imports", "-c", r"print('Zo\xeb, \u5149')")
    assert done.stdout == "Zoë, 光\n", done.stderr
