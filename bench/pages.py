"""Measure the CPU time of pages and files, and compare it with that of an empty template.

Requests go through all of the site, as gunicorn would pass them on, in this process. The kinds are
shuffled, so that a machine that others use slows all alike.
"""

import io
import logging
import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import tests.helpers.environment  # noqa: F401  # Sets the variables of the site.
from tests.helpers.servers import make_environment, manage

from . import measure

ROUNDS, WARM_UP = 500, 20


def main() -> None:
    """Measure all with the 48 people of the demo; print medians, and each relative to the empty."""
    rounds = 50 if measure.parse_arguments().quick else ROUNDS
    with TemporaryDirectory() as name:
        os.environ |= make_environment(Path(name), EMAIL_URL="dummymail://")
        for command in (["migrate"], ["demo"], ["collectstatic", "--noinput"]):
            manage(dict(os.environ), *command).check_returncode()
        print_table(measure_requests(make_requests(), rounds))


def print_table(spent: dict[str, list[float]]) -> None:
    empty = median(spent["an empty template"])
    print("\n### Requests, without gunicorn\n\n| | CPU ms | × |\n|---|--:|--:|")
    for title, times in spent.items():
        print(f"| {title} | {median(times) * 1000:.2f} | {median(times) / empty:.1f} |")


def measure_requests(
    requests: dict[str, Callable[[], None]], rounds: int
) -> dict[str, list[float]]:
    """Return the CPU seconds of each kind of request, one for each round."""
    spent: dict[str, list[float]] = {title: [] for title in requests}
    titles = list(requests)
    for number in range(WARM_UP + rounds):
        random.shuffle(titles)
        for title in titles:
            start = time.process_time()
            requests[title]()
            if number >= WARM_UP:
                spent[title].append(time.process_time() - start)
    return spent


def make_requests() -> dict[str, Callable[[], None]]:
    """Return what visitors and a member ask for."""
    import django

    django.setup()
    from django.contrib.staticfiles.storage import staticfiles_storage
    from django.core.handlers.wsgi import WSGIHandler
    from django.shortcuts import render
    from django.template import engines
    from django.test import Client
    from django.urls import path

    from config import urls
    from profiles.models import Profile, User

    for handler in logging.getLogger().handlers:
        handler.setStream(io.StringIO())
    engines["django"].engine.dirs.append(Path(__file__).parent / "templates")
    urls.urlpatterns.insert(0, path("empty/", partial(render, template_name="empty.html")))
    hidden, person = Profile.objects.exclude(avatar="").order_by("pk")[:2]
    hidden.change(visibility="members")
    client = Client()
    client.force_login(User.objects.create_user("reader"))
    ask = partial(partial, answer, WSGIHandler())
    ask_as_member = partial(ask, HTTP_COOKIE=client.cookies["sessionid"].OutputString())
    return {
        "an empty template": ask("/empty/"),
        "home": ask("/"),
        "the list": ask("/profiles/"),
        "a person": ask(person.get_absolute_url()),
        "the list, to a member": ask_as_member("/profiles/"),
        "a static file": ask(staticfiles_storage.url("css/site.css")),
        "a public picture": ask(person.avatar.url_for("256.webp")),
        "a protected picture": ask_as_member(hidden.avatar.url_for("256.webp")),
    }


def answer(site: Any, address: str, **headers: str) -> None:
    """Let the site answer a request, and read all of it; end the bench unless it is found."""
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": address,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
        "HTTP_ACCEPT_LANGUAGE": "en",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        **headers,
    }
    response = site(environ, lambda status, headers: statuses.append(status))
    for _ in response:
        pass
    response.close()
    if statuses != ["200 OK"]:
        raise SystemExit(f"{address} was answered {statuses}.")


if __name__ == "__main__":
    main()
