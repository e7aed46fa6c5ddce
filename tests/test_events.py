"""The log of who did what: each event once, with numbers, and without secrets and names."""

import json
import logging
import re
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client

from config.logs import Formatter
from profiles.models import User

from .conftest import sign_in
from .helpers.accounts import PASSWORD, find_link, join
from .helpers.authenticator import Authenticator
from .helpers.factors import add, enter, give_code, give_password, make_new_codes, set_up_app
from .helpers.pictures import draw_jpeg
from .test_admin import change, change_account, photo
from .test_staff import end_sessions, set_password

pytestmark = pytest.mark.django_db(transaction=True)
NEW = {"new_password1": PASSWORD, "new_password2": PASSWORD}
Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Generator[Events]:
    """What happened since the last call, as production logs it, without what each line has."""
    lines: list[str] = []

    def read_new() -> list[dict[str, Any]]:
        texts = [Formatter().format(each) for each in caplog.records]
        caplog.clear()
        new = [text for text in texts if json.loads(text)["logger"] == "likeness.events"]
        lines.extend(new)
        events = [json.loads(text) for text in new]
        for event in events:
            message = f"{event['event']}: account {event['user']}"
            assert (event.pop("level"), event.pop("message")) == ("INFO", message)
            assert (event.pop("client_ip"), event.pop("logger")) == ("127.0.0.1", "likeness.events")
            assert event.pop("time")
            event.pop("request_id")  # Of the handler's filter; test_logs.py sees it.
        return events

    caplog.set_level(logging.INFO)
    yield read_new
    read_new()
    text = "\n".join(lines)
    links = re.findall(r"/accounts/\w+/(\S{12,})/", " ".join(str(m.body) for m in mail.outbox))
    assert not [secret for secret in ["phrase", "battery", "@", *links] if secret in text]
    names = {"ada", "grace", "linus", "mary", "zed", "root", "example"}
    assert not names & {*re.findall(r"\w+", text)}


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


def test_signing_in_and_out(ada: User, client: Client, events: Events) -> None:
    give_password(client)
    client.post("/accounts/logout/")
    client.post("/accounts/logout/")
    assert events() == [
        {"event": "signed_in", "user": ada.pk, "factor": "password"},
        {"event": "signed_out", "user": ada.pk},
    ]


def test_failing_to_sign_in(ada: User, events: Events, settings: LazySettings) -> None:
    settings.LOCK_OUT_FAILURES = 2
    for name in ("ada", "ada", "ada", "zed"):
        Client().post("/accounts/login/", {"username": name, "password": "wrong phrase"})
    failed = {"event": "sign_in_failed", "user": ada.pk, "factor": "password"}
    locked, refused, *rest = [line for line in events() if line != failed]
    assert locked == {"event": "locked_out", "user": ada.pk, "seconds": 900}
    assert 890 < refused.pop("seconds") <= 900
    assert refused == {"event": "locked_out", "user": ada.pk}
    assert rest == [failed | {"user": None}]


def test_guesses_in_a_browser_that_was_left(
    ada: User, as_ada: Client, events: Events, settings: LazySettings
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"again": 1}
    for _ in range(2):
        as_ada.post("/accounts/delete/", {"password": "wrong phrase"})
    [line] = events()
    assert (line["event"], line["user"]) == ("locked_out", ada.pk)


def test_second_factors(ada: User, as_ada: Client, events: Events) -> None:
    app, codes = set_up_app(as_ada)
    authenticator = Authenticator()
    add(as_ada, authenticator, 302)
    mine = {"user": ada.pk}
    assert events() == [
        mine | {"event": "factor_added", "factor": "code"},
        mine | {"event": "recovery_codes_made"},
        mine | {"event": "factor_added", "factor": "passkey"},
    ]
    for code in ("000000", codes[0]):
        client = Client()
        give_password(client)
        give_code(client, code)
    assert enter(authenticator)
    assert not enter(Authenticator())
    assert events() == [
        mine | {"event": "factor_failed", "factor": "code"},
        mine | {"event": "signed_in", "factor": "recovery"},
        mine | {"event": "signed_in", "factor": "passkey"},
        {"event": "sign_in_failed", "user": None, "factor": "passkey"},
    ]
    client = Client()
    give_password(client)
    give_code(client, app.at(time.time()))
    make_new_codes(as_ada)
    as_ada.post(f"/accounts/passkeys/{ada.passkeys.get().pk}/remove/")
    as_ada.post("/accounts/app/remove/")
    assert events() == [
        mine | {"event": "signed_in", "factor": "code"},
        mine | {"event": "recovery_codes_made"},
        mine | {"event": "factor_removed", "factor": "passkey"},
        mine | {"event": "factor_removed", "factor": "code"},
    ]


def test_joining_and_the_address(client: Client, events: Events) -> None:
    join(client)
    mary = User.objects.get().pk
    client.post(find_link())
    client.post(find_link())  # The link works once.
    fields = {"email": "new@example.org", "password": PASSWORD}
    client.post("/accounts/email/", fields)
    client.post(find_link())
    client.post(find_link())  # Of the mail to the old address.
    kinds = ["account_created", "signed_in", "address_changed", "address_changed"]
    kinds.append("address_taken_back")
    assert [(line["event"], line["user"]) for line in events()] == [(kind, mary) for kind in kinds]
    assert User.objects.get().email == "mary@example.org"


def test_passwords(ada: User, grace: User, as_ada: Client, events: Events) -> None:
    as_ada.post("/accounts/password_change/", {"old_password": "wrong"} | NEW)
    as_ada.post("/accounts/password_change/", {"old_password": "pass phrase"} | NEW)
    for name in ("zed", "grace"):
        Client().post("/accounts/password_reset/", {"email": f"{name}@example.org"})
    form = as_ada.get(find_link()).headers["Location"]
    as_ada.post(form, NEW)
    assert events() == [
        {"event": "password_changed", "user": ada.pk},
        {"event": "password_reset_asked", "user": None},
        {"event": "password_reset_asked", "user": grace.pk},
        {"event": "password_reset", "user": grace.pk, "by": ada.pk},
    ]


def test_what_members_do_with_their_account(ada: User, as_ada: Client, events: Events) -> None:
    for visibility in ("public", "private"):
        as_ada.post("/profile/edit/", {"display_name": "Ada", "visibility": visibility})
    as_ada.get("/accounts/export/").getvalue()
    sign_in(ada)
    as_ada.post("/accounts/sessions/others/end/", {"password": "pass phrase"})
    as_ada.post("/accounts/sessions/all/end/", {"password": "pass phrase"})
    sign_in(ada).post("/accounts/delete/", {"password": "pass phrase"})
    assert not User.objects.exists()
    mine = {"user": ada.pk}
    assert events() == [
        mine | {"event": "visibility_changed", "from": "public", "to": "private"},
        mine | {"event": "export_taken"},
        mine | {"event": "sessions_ended", "number": 1},
        mine | {"event": "sessions_ended", "number": 1},
        mine | {"event": "account_deleted"},
    ]


def test_what_staff_do_with_an_account(ada: User, root: User, events: Events) -> None:
    as_root, browser = sign_in(root), sign_in(ada)
    set_up_app(browser)
    events()
    change_account(as_root, ada, email="new@example.org", is_active="")
    change_account(as_root, ada, email="new@example.org", is_staff="on")
    sign_in(ada)
    end_sessions(as_root, ada)
    set_password(as_root, ada)
    fields = {"action": "remove_factors", "_selected_action": ada.pk}
    as_root.post("/admin/profiles/user/", fields)
    ranks = {"changed": ["is_staff"], "is_staff": True, "is_superuser": False}
    mine = {"user": ada.pk, "by": root.pk}
    assert events() == [
        mine | {"event": "account_disabled"},
        mine | {"event": "address_changed"},
        mine | {"event": "account_enabled"},
        mine | {"event": "rank_changed", **ranks},
        mine | {"event": "sessions_ended", "number": 1},
        mine | {"event": "password_changed"},
        mine | {"event": "factor_removed", "factor": "all"},
    ]


def test_what_staff_do_with_a_profile(ada: User, root: User, events: Events) -> None:
    as_root = sign_in(root)
    change(as_root, ada, visibility="private", bio="A new bio")
    change(as_root, ada, visibility="private", avatar=photo(draw_jpeg()))
    change(as_root, ada, 302, visibility="private", **{"avatar-clear": "on"})
    fields = {"action": "remove_avatar", "_selected_action": ada.profile.pk}
    as_root.post("/admin/profiles/profile/", fields)
    mine = {"user": ada.pk, "by": root.pk}
    assert events() == [
        mine | {"event": "visibility_changed", "from": "public", "to": "private"},
        mine | {"event": "picture_changed"},
        mine | {"event": "picture_removed"},
        mine | {"event": "picture_removed"},
    ]


@pytest.mark.parametrize("model", ["user", "profile"])
def test_staff_delete_accounts(
    model: str, ada: User, grace: User, linus: User, root: User, events: Events
) -> None:
    as_root = sign_in(root)
    users = [ada, grace, linus]
    keys = [user.pk if model == "user" else user.profile.pk for user in users]
    as_root.post(f"/admin/profiles/{model}/{keys[0]}/delete/", {"post": "yes"})
    fields = {"action": "delete_selected", "_selected_action": keys[1:], "post": "yes"}
    as_root.post(f"/admin/profiles/{model}/", fields)
    lines = sorted(events(), key=lambda line: int(line["user"]))
    deleted = {"event": "account_deleted", "by": root.pk}
    assert lines == [deleted | {"user": user.pk} for user in users]


def test_what_staff_do_with_a_group(root: User, events: Events) -> None:
    as_root = sign_in(root)
    as_root.post("/admin/auth/group/add/", {"name": "Helpers"})
    group = Group.objects.get()
    as_root.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Helpers", "permissions": "1"})
    fields = {"action": "delete_selected", "_selected_action": group.pk, "post": "yes"}
    as_root.post("/admin/auth/group/", fields)
    line = {"event": "group_changed", "group": group.pk, "user": None, "by": root.pk}
    assert events() == [line] * 3
