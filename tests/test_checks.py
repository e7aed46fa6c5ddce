import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.checks import run_checks

from profiles.checks import check_origins

from .helpers.servers import ROOT, find, make_environment, manage


def ids(deploy: bool = False) -> set[str]:
    return {message.id or "" for message in run_checks(None, None, deploy)}


def test_a_valid_configuration_has_no_messages(settings: LazySettings) -> None:
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
    assert "profiles.E002" in ids(deploy=True)
    assert "profiles.E002" not in ids()  # It would stop every command.


def test_a_media_folder_without_access_to_its_parent_is_an_error(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat, access = os.stat, os.access
    settings.MEDIA_ROOT = tmp_path / "locked" / "media"
    (tmp_path / "locked").mkdir()

    def refuse(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if "locked/" in str(path):
            raise PermissionError(path)
        return stat(path, *args, **kwargs)

    # As it is for another user: root, who may run this, enters all of them.
    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(
        os, "access", lambda path, mode: "locked" not in str(path) and access(path, mode)
    )
    assert "profiles.E002" in ids(deploy=True)


def test_a_file_in_the_place_of_the_media_folder_is_an_error(
    settings: LazySettings, tmp_path: Path
) -> None:
    (tmp_path / "media").write_text("")
    assert "profiles.E002" in ids(deploy=True)


def test_whitenoise_in_another_place_is_an_error(settings: LazySettings) -> None:
    settings.MIDDLEWARE = settings.MIDDLEWARE[::-1]
    assert "profiles.E003" in ids()


@pytest.mark.slow
def test_a_missing_manifest_is_an_error_when_the_site_is_served(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    assert "profiles.E004" in manage(environment, "check", "--deploy").stderr
    assert "profiles.E004" not in manage(environment, "check").stderr


@pytest.mark.parametrize(
    "token", ["x" * 19, "with a space in the middle", "mit-Umlauten-äöü-und-lang"]
)
def test_a_token_that_can_be_guessed_or_not_sent_is_an_error(
    token: str, settings: LazySettings
) -> None:
    settings.METRICS_TOKEN = "x" * 20
    assert "profiles.E019" not in ids(deploy=True)
    settings.METRICS_TOKEN = token
    assert "profiles.E019" in ids(deploy=True)


def test_a_misspelt_delivery_is_an_error(settings: LazySettings) -> None:
    settings.MEDIA_DELIVERY = "ngnix"
    assert "profiles.E005" in ids(deploy=True)


def test_media_served_by_the_site_without_a_setting_is_a_warning(settings: LazySettings) -> None:
    settings.MEDIA_DELIVERY_CHOSEN = False
    assert "profiles.W001" in ids(deploy=True)
    assert "profiles.W001" not in ids()


def test_no_mail_is_a_warning(settings: LazySettings) -> None:
    settings.HAS_MAIL = False
    assert "profiles.W002" in ids(deploy=True)


def test_a_developer_gets_no_warnings_about_production(settings: LazySettings) -> None:
    settings.DEBUG, settings.HAS_MAIL, settings.MEDIA_DELIVERY_CHOSEN = True, False, False
    assert not {"profiles.W001", "profiles.W002"} & ids(deploy=True)


@pytest.mark.slow
def test_a_static_file_missing_in_the_manifest_is_an_error(prepared: Path, tmp_path: Path) -> None:
    """This happens when a template is changed and `collectstatic` is not run again."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path)
    assert "profiles.E006" not in manage(environment, "check", "--deploy").stderr
    manifest = tmp_path / "staticfiles" / "staticfiles.json"
    manifest.write_text(manifest.read_text().replace('"css/site.css"', '"css/old.css"'))
    error = manage(environment, "check", "--deploy").stderr
    assert "names the static file 'css/site.css'" in error
    assert "profiles.E006" in error


def test_media_without_a_view_are_an_error(settings: LazySettings) -> None:
    settings.ROOT_URLCONF = "profiles.urls"
    assert "profiles.E007" in ids(deploy=True)


@pytest.mark.parametrize("folder", ["", "protected", "avatars/3f"])
def test_a_media_folder_of_another_user_is_a_warning(folder: str, settings: LazySettings) -> None:
    strange = settings.MEDIA_ROOT / folder
    strange.mkdir(parents=True)
    assert "profiles.W003" not in ids(deploy=True)
    if os.geteuid() == 0:
        os.chown(strange, 10001, 10001)
    else:  # Only root can change a folder's owner, so use a folder of root's.
        strange.rmdir()
        strange.symlink_to("/")
    assert "profiles.W003" in ids(deploy=True)


def store_in_bucket(settings: LazySettings, **protected: object) -> None:
    """Set up media in a valid bucket, except for the given options of the protected storage."""
    right = {"bucket_name": "pictures", "file_overwrite": False, "querystring_auth": False}
    settings.STORAGES = settings.STORAGES | {
        name: {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": right | options}
        for name, options in {
            "default": {},
            "protected": {"querystring_auth": True} | protected,
        }.items()
    }


def test_a_valid_bucket_has_no_messages(settings: LazySettings) -> None:
    store_in_bucket(settings)
    assert {name for name in ids(deploy=True) if name.startswith("profiles.")} == set()


def test_a_bucket_that_overwrites_is_an_error(settings: LazySettings) -> None:
    store_in_bucket(settings, file_overwrite=True)
    assert "profiles.E008" in ids(deploy=True)


@pytest.mark.parametrize(
    "options",
    [
        {"querystring_auth": False},
        {"default_acl": "public-read"},
        {"custom_domain": "cdn.example"},
    ],
)
def test_a_bucket_open_to_all_is_an_error(
    options: dict[str, object], settings: LazySettings
) -> None:
    store_in_bucket(settings, **options)
    assert "profiles.E009" in ids(deploy=True)


def test_signed_urls_of_public_pictures_are_a_warning(settings: LazySettings) -> None:
    store_in_bucket(settings)
    settings.STORAGES["default"] = settings.STORAGES["protected"]
    settings.STORAGES = dict(settings.STORAGES)
    assert "profiles.W004" in ids(deploy=True)


def test_a_bucket_server_without_a_bucket_is_a_warning(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_S3_ENDPOINT_URL", "https://s3.example")
    assert "profiles.W005" in ids(deploy=True)


LOOPBACK = ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    ("https", "host", "trusted", "proxies", "expected"),
    [
        # One machine with a proxy; the image behind a proxy; plain HTTP.
        (True, "127.0.0.1", LOOPBACK, 1, set()),
        (True, "0.0.0.0", ["*"], 1, set()),
        (True, "0.0.0.0", ["172.17.0.1"], 1, set()),
        (False, "127.0.0.1", LOOPBACK, 0, set()),
        (False, "0.0.0.0", LOOPBACK, 0, set()),
        (True, "0.0.0.0", LOOPBACK, 1, {"profiles.W006"}),
        (True, "0.0.0.0", ["*"], 0, {"profiles.W007"}),
        (False, "0.0.0.0", ["*"], 0, {"profiles.W007"}),
        (True, "0.0.0.0", ["127.0.0.0/8"], 1, {"profiles.W006"}),
        (True, "0.0.0.0", ["172.16.0.0/12"], 1, set()),
        (True, "0.0.0.0", ["0.0.0.0/0"], 0, {"profiles.W007"}),
        (True, "127.0.0.1", LOOPBACK, 0, {"profiles.W008"}),
    ],
)
def test_trusting_too_few_or_too_many_proxies_is_a_warning(
    https: bool,
    host: str,
    trusted: list[str],
    proxies: int,
    expected: set[str],
    settings: LazySettings,
) -> None:
    settings.HTTPS, settings.HOST, settings.TRUSTED_PROXIES = https, host, proxies
    settings.FORWARDED_ALLOW_IPS = trusted
    assert {f"profiles.W00{number}" for number in (6, 7, 8)} & ids(deploy=True) == expected


@pytest.mark.parametrize(
    ("hosts", "https", "origins", "is_warned"),
    [
        (["likeness.example"], False, [], True),
        (["likeness.example"], False, ["https://likeness.example"], False),
        (["likeness.example"], True, [], False),
        (["localhost", "127.0.0.1", "[::1]", "192.168.1.7"], False, [], False),
    ],
)
def test_forms_behind_tls_that_the_site_does_not_know_of_are_a_warning(
    hosts: list[str], https: bool, origins: list[str], is_warned: bool, settings: LazySettings
) -> None:
    settings.ALLOWED_HOSTS, settings.HTTPS = hosts, https
    settings.CSRF_TRUSTED_ORIGINS = origins
    assert ("profiles.W009" in ids(deploy=True)) == is_warned


@pytest.mark.parametrize("name", ["STATIC_HOST", "AWS_S3_ENDPOINT_URL"])
def test_a_host_without_its_scheme_is_an_error(name: str, settings: LazySettings) -> None:
    setattr(settings, name, "https://files.example")
    assert "profiles.E010" not in ids(deploy=True)
    setattr(settings, name, "files.example")
    assert "profiles.E010" in ids(deploy=True)


@pytest.mark.parametrize(
    ("host", "is_wrong"),
    [
        ("likeness.example", False),
        ("Likeness.example", False),
        (".likeness.example", False),
        ("localhost", False),
        ("192.0.2.7", False),
        ("[::1]", False),
        ("*", False),
        ("https://likeness.example", True),
        ("likeness.example:https", True),
        ("likeness.example/", True),
        ("likeness.example.", True),
        ("*.likeness.example", True),
        ("likeness_.example", True),
        ("bücher.example", True),
        ("2001:db8::1", True),
        ('"likeness.example', True),
        ("likeness.example www.likeness.example", True),
    ],
)
def test_a_host_that_no_browser_can_ask_for_is_an_error(
    host: str, is_wrong: bool, settings: LazySettings
) -> None:
    settings.ALLOWED_HOSTS = ["likeness.example", host]
    assert ("profiles.E011" in [message.id for message in check_origins()]) == is_wrong


@pytest.mark.parametrize(
    ("origin", "is_wrong"),
    [
        ("https://likeness.example", False),
        ("http://likeness.example:8000", False),
        ("https://*.likeness.example", False),
        ("https://[::1]:8443", False),
        ("https://likeness.example/", True),
        ("https://likeness.example/accounts", True),
        ("https://Likeness.example", True),
        ("https://likeness.example:https", True),
        ("https://", True),
        ("ftp://likeness.example", True),
    ],
)
def test_an_origin_that_no_browser_sends_is_an_error(
    origin: str, is_wrong: bool, settings: LazySettings
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = [origin]
    assert ("profiles.E011" in [message.id for message in check_origins()]) == is_wrong


def test_debugging_under_gunicorn_must_be_allowed(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    assert "profiles.E018" not in ids(deploy=True)
    monkeypatch.setenv("LIKENESS_GUNICORN", "configured")
    assert "profiles.E018" in ids(deploy=True)
    settings.DEBUG_UNDER_GUNICORN = True
    assert "profiles.E018" not in ids(deploy=True)


def test_a_host_may_have_a_port(tmp_path: Path) -> None:
    hosts = "likeness.example:8443,[::1]:8000,.likeness.example,2001:db8::1"
    environment = make_environment(tmp_path, DJANGO_ALLOWED_HOSTS=hosts)
    code = "from django.conf import settings; print(*settings.ALLOWED_HOSTS)"
    done = manage(environment, "shell", "--no-imports", "-c", code)
    assert done.stdout == "likeness.example [::1] .likeness.example 2001:db8::1\n", done.stderr
    error = manage(environment, "check", "--deploy").stderr
    assert "DJANGO_ALLOWED_HOSTS contains '2001:db8::1', which is not a host name." in error
    error = manage(environment | {"DJANGO_ALLOWED_HOSTS": hosts[:-12]}, "check", "--deploy").stderr
    assert "E011" not in error
    assert "E004" in error


@pytest.mark.parametrize(
    ("domain", "is_wrong"),
    [
        ("pictures.example", False),
        ("localhost:9000/bucket", False),
        ("https://pictures.example", True),
        ("pictures.example/", True),
    ],
)
def test_a_picture_domain_with_a_scheme_or_a_slash_is_an_error(
    domain: str, is_wrong: bool, settings: LazySettings
) -> None:
    settings.AWS_S3_CUSTOM_DOMAIN = domain
    assert ("profiles.E012" in ids(deploy=True)) == is_wrong


def test_every_check_is_in_the_manual() -> None:
    code = (ROOT / "profiles/checks.py").read_text()
    manual = (ROOT / "docs/deploying.md").read_text()
    numbers = re.findall(r'id="profiles\.(\w+)"', code)
    assert len(numbers) >= 19
    assert [number for number in numbers if f"`{number}`" not in manual] == []


def test_every_variable_is_in_the_manual_and_no_other() -> None:
    code = (ROOT / "config/settings.py").read_text()
    code += (ROOT / "config/env.py").read_text("utf-8")
    read = {*re.findall(r'env(?:iron)?\.\w+\(\s*"([A-Z]\w+)"', code), "DJANGO_THROTTLE_SIGN_IN"}
    table = find(r"(?s)\| Variable \|.+?\n\n", (ROOT / "docs/deploying.md").read_text())
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    documented = set(re.findall(r"`([A-Z]\w+)`", " ".join(cells)))
    assert read == documented


def test_every_message_comes_with_a_hint(settings: LazySettings) -> None:
    settings.MIDDLEWARE = []
    settings.HAS_MAIL = settings.MEDIA_DELIVERY_CHOSEN = False
    ours = [m for m in run_checks(None, None, True) if (m.id or "").startswith("profiles.")]
    assert len(ours) >= 3
    assert all(message.hint for message in ours)


@pytest.mark.slow
@pytest.mark.parametrize("https", ["on", "off"])
def test_the_documented_settings_pass_the_deployment_check(
    https: str, prepared: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path, DJANGO_HTTPS=https, DJANGO_TRUSTED_PROXIES="1")
    environment["DJANGO_SECRET_KEY"] = os.urandom(40).hex()
    result = manage(environment, "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr
