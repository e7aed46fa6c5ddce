import os
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.checks import run_checks

from .servers import make_environment, manage


def ids(deploy: bool = False) -> set[str]:
    return {message.id or "" for message in run_checks(None, None, deploy)}


def test_a_site_that_is_set_up_right_is_told_nothing(settings: LazySettings) -> None:
    settings.MEDIA_DELIVERY_CHOSEN = True
    assert {name for name in ids(deploy=True) if name.startswith("profiles.")} == set()


def test_media_below_static_is_an_error(settings: LazySettings) -> None:
    settings.MEDIA_ROOT = settings.STATIC_ROOT / "media"
    assert "profiles.E001" in ids()


def test_static_below_media_is_an_error(settings: LazySettings) -> None:
    settings.STATICFILES_DIRS = [settings.MEDIA_ROOT / "css"]
    assert "profiles.E001" in ids()


def test_a_media_folder_that_cannot_be_made_is_an_error(settings: LazySettings) -> None:
    settings.MEDIA_ROOT = Path("/dev/null/media")
    assert "profiles.E002" in ids()


def test_a_file_in_the_place_of_the_media_folder_is_an_error(
    settings: LazySettings, tmp_path: Path
) -> None:
    (tmp_path / "media").write_text("")
    assert "profiles.E002" in ids()


def test_whitenoise_in_another_place_is_an_error(settings: LazySettings) -> None:
    settings.MIDDLEWARE = settings.MIDDLEWARE[::-1]
    assert "profiles.E003" in ids()


def test_a_missing_manifest_is_an_error_when_the_site_is_served(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    assert "profiles.E004" in manage(environment, "check", "--deploy").stderr
    assert "profiles.E004" not in manage(environment, "check").stderr


def test_a_misspelt_delivery_is_an_error(settings: LazySettings) -> None:
    settings.MEDIA_DELIVERY = "ngnix"
    assert "profiles.E005" in ids(deploy=True)


def test_media_handed_out_by_the_process_unasked_is_a_warning(settings: LazySettings) -> None:
    settings.MEDIA_DELIVERY_CHOSEN = False
    assert "profiles.W001" in ids(deploy=True)
    assert "profiles.W001" not in ids()


def test_no_mail_is_a_warning(settings: LazySettings) -> None:
    settings.HAS_MAIL = False
    assert "profiles.W002" in ids(deploy=True)


def test_a_developer_is_not_warned_of_what_only_production_needs(settings: LazySettings) -> None:
    settings.DEBUG, settings.HAS_MAIL, settings.MEDIA_DELIVERY_CHOSEN = True, False, False
    assert not {"profiles.W001", "profiles.W002"} & ids(deploy=True)


def test_every_message_comes_with_a_hint(settings: LazySettings) -> None:
    settings.MIDDLEWARE = []
    settings.HAS_MAIL = settings.MEDIA_DELIVERY_CHOSEN = False
    ours = [m for m in run_checks(None, None, True) if (m.id or "").startswith("profiles.")]
    assert len(ours) >= 3
    assert all(message.hint for message in ours)


@pytest.mark.parametrize("https", ["on", "off"])
def test_the_documented_settings_pass_the_deployment_check(https: str, tmp_path: Path) -> None:
    environment = make_environment(tmp_path, DJANGO_HTTPS=https)
    environment["DJANGO_SECRET_KEY"] = os.urandom(40).hex()
    assert manage(environment, "collectstatic", "--noinput").returncode == 0
    result = manage(environment, "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr
