"""The people whom the pages are about, added to a running site."""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from ..helpers.servers import manage

LONG = "Donaudampfschifffahrtsgesellschaftskapitaenswitwenrentenamts"  # 60 letters, no break.
MEMBERS = {
    "ada": {
        "display_name": "Ada Lovelace",
        "bio": "Programs engines that are not built yet.",
        "location": "London",
        "website": "https://example.org/ada",
    },
    # Signs in with all that there is.
    "safe": {"display_name": "Katherine Johnson"},
    "sent": {"display_name": "Grace Hopper", "visibility": "members"},
    "bare": {},
    "long": {
        "display_name": LONG,
        "bio": f"{LONG * 2}\n\nhttps://example.org/{'long/' * 30}\n\n" + "Writes letters. " * 15,
        "location": LONG,
        "website": f"https://example.org/{LONG}",
        "description": f"At a window: {LONG}",
    },
}


@dataclass(frozen=True)
class Cast:
    """What a browser needs to be one of them, and the pages that show when something breaks."""

    cookie: str
    sessions: dict[str, str]
    links: dict[str, str]
    broken: dict[str, str]


def add_cast(environment: dict[str, str]) -> Cast:
    """Add the cast to the site of an environment."""
    code = "from tests.browser.cast import add_here; add_here()"
    result = manage(environment, "shell", "--no-imports", "--command", code)
    assert result.returncode == 0, result.stderr
    return Cast(**json.loads(result.stdout))


def add_here() -> None:
    """Add the cast to the site of this process, and print what there is to know of it."""
    # Here: models can be imported only where Django is set up, as it is in manage.py.
    from django.contrib.auth import get_user_model

    from profiles.accounts.factors import make_key, make_recovery_codes, set_app
    from profiles.models import Passkey
    from profiles.throttles import TOO_OFTEN

    from ..conftest import make_person, sign_in

    sessions: dict[str, str] = {}
    for name, values in MEMBERS.items():
        if name == "bare":
            user = get_user_model().objects.create_user(name)
            user.profile.visibility = "public"
            user.profile.save()
        else:
            user = make_person(name, "", "public")
            for field, value in values.items():
                setattr(user.profile, field, value)
            user.profile.save()
        if name == "safe":
            set_app(user, make_key(), 0)
            make_recovery_codes(user)
            for number in (1, 2):
                Passkey.objects.create(
                    user=user, name=f"Phone {number}", credential_id=f"{number:04}"
                )
        sessions[name] = sign_in(user, for_hours=24).cookies[settings.SESSION_COOKIE_NAME].value
    links = make_links(get_user_model().objects.get(username="long"))
    context = {
        "sentence": TOO_OFTEN % {"minutes": 60},
        "heading": "We cannot reach our pictures just now",
        "advice": "Nothing has changed; your old picture is still there. Try again in a minute.",
    }
    broken: dict[str, str] = {
        name: str(render_to_string(name, context))
        for name in ("403.html", "429.html", "500.html", "503.html")
    }
    cast = Cast(settings.SESSION_COOKIE_NAME, sessions, links, broken)
    print(json.dumps(asdict(cast)))


def make_links(user: Any) -> dict[str, str]:
    """Return the links in the mails of one who changes the address, and has changed it before."""
    from django.core import signing

    from profiles.accounts.addresses import UNDO_SALT, make_confirm_salt
    from profiles.models import AddressChange

    ends = timezone.now() + timedelta(days=2)
    new = f"{LONG}@example.org"
    pending = AddressChange.objects.create(user=user, new=new, ends=ends)
    done = AddressChange.objects.create(user=user, old=new, is_confirmed=True, ends=ends)
    return {
        "confirm": f"/accounts/confirm/{signing.dumps(pending.pk, salt=make_confirm_salt(user))}/",
        "undo": f"/accounts/undo/{signing.dumps(done.pk, salt=UNDO_SALT)}/",
    }
