"""The composition, built and started by the documented commands, used and upgraded.

The network is the host's, so that no bridge need be there (see compose.host.yaml).
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any
from urllib.error import HTTPError

import pytest
from PIL import Image

from config.version import find_version
from tests.helpers.servers import ROOT, find_port, get, wait_until

from .engine import docker, read_documented, stand_in
from .front import copy_configuration
from .visitors import PASSWORD, Visitor, draw_photo, found

pytestmark = pytest.mark.skipif(
    not os.environ.get("LIKENESS_IMAGE"), reason="An engine is needed, and LIKENESS_IMAGE=likeness."
)
DOWN = "docker compose --profile backup down --volumes --timeout 5"
ACCOUNT = {"email": "ada@example.com", "password1": PASSWORD, "password2": PASSWORD}


@dataclass
class Composition:
    """A copy of the source for running compose as an operator does."""

    folder: Path
    environment: dict[str, str]
    port: int

    def run(self, script: str) -> str:
        """Run shell commands in the folder."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def run_documented(self, heading: str) -> str:
        """Run the first commands under a heading of docs/deploying.md, for the test's image."""
        name = rf"docker tag {self.environment['COMPOSE_PROJECT_NAME']}\1 "
        name += rf"{self.environment['COMPOSE_PROJECT_NAME']}"
        script = read_documented(heading).replace("0.9.0", find_version())
        script = re.sub(r"git checkout .*\n", "", script)
        return self.run(re.sub(r"docker tag likeness(\S*) likeness", name, script))

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        container = self.run(f"docker compose --profile backup ps --all --quiet {service}").strip()
        state: dict[str, Any] = json.loads(docker("inspect", container))[0]
        return state

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    folder = tmp_path_factory.mktemp("compose") / "source"
    left_out = [".git", ".venv*", ".env", "*.sqlite3*", "media", "staticfiles", "node_modules"]
    left_out += [".*_cache", ".hypothesis", "__pycache__"]  # Others write there meanwhile.
    shutil.copytree(
        ROOT, folder, ignore=shutil.ignore_patterns(*left_out, "deploy", "likeness.env")
    )
    ports = {name: str(find_port()) for name in ("NGINX_PORT", "SITE_PORT", "DB_PORT")}
    copy_configuration(folder, {"listen 8080": f"listen 127.0.0.1:{ports['NGINX_PORT']}"})
    # pytest's folders are readable only by their owner, but nginx is user 101.
    for path in [*folder.glob("deploy/**/*"), folder / "deploy"]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    name = f"likeness-test-{secrets.token_hex(4)}"
    files = {"COMPOSE_FILE": "compose.yaml:tests/production/compose.host.yaml"}
    environment = os.environ | ports | files | {"COMPOSE_PROJECT_NAME": name}
    composition = Composition(folder, environment, int(ports["NGINX_PORT"]))
    # A developer's file, which must not be used.
    (folder / ".env").write_text("DJANGO_ALLOWED_HOSTS=evil.example\nPOSTGRES_PASSWORD=x\n")
    composition.run_documented("Start the composition")
    variables = (folder / "likeness.env").read_text()
    assert "\nDJANGO_ALLOWED_HOSTS=likeness.example\n" in variables
    variables = variables.replace("=likeness.example", "=127.0.0.1")
    (folder / "likeness.env").write_text(variables + "DJANGO_HTTPS=off\nEMAIL_URL=dummymail://\n")
    try:
        composition.run("docker compose up --detach --build --wait")
        composition.run(f"docker tag {name} {name}:{find_version()}")
        yield composition
    finally:
        print(composition.run("docker compose ps --all; docker compose logs --tail=40"))
        composition.run(DOWN)
        images = f"$(docker images --quiet {name} | sort --unique) {name}-backup"
        composition.run(f"docker image rm --force {images}")


@pytest.fixture(scope="module")
def ada(composition: Composition) -> Visitor:
    """Ada, who has signed up and uploaded a picture for members only."""
    ada = Visitor(composition.origin)
    ada.send("/accounts/signup/", username="ada", **ACCOUNT)
    ada.upload("/profile/avatar/", "avatar", draw_photo())
    return ada


def find_picture(visitor: Visitor) -> str:
    return found(r'src="(/media/[^"]+\.webp)"', visitor.page("/profiles/ada/"))


STAGE_1 = """
DJANGO_SECRET_KEY=of-the-first-stage-and-longer-than-fifty-letters-as-it-should-be
DJANGO_ALLOWED_HOSTS=127.0.0.1
DJANGO_HTTPS=off
MEDIA_DELIVERY=app
"""


def test_people_and_pictures_of_the_first_stage_are_moved(composition: Composition) -> None:
    image, name = os.environ["LIKENESS_IMAGE"], f"likeness-test-{secrets.token_hex(4)}"
    (composition.folder / "site.env").write_text(STAGE_1)
    run = f"docker run --rm --env-file site.env --network host --volume {name}:/data {image}"
    try:
        composition.run(f"{run} python manage.py migrate")
        composition.run(f"{run} python manage.py demo --profiles 2")
        docker("create", "--name", name, image)
        script = stand_in(read_documented("Move from stage 1 to stage 2"), name, name, image)
        said = composition.run(script)
    finally:
        composition.run(f"docker rm {name}; docker volume rm {name}; rm -rf moved site.env")
    assert not re.search(r"avatars/|protected/", said)
    visitor = Visitor(composition.origin)
    url = found(r'src="(/media/avatars/[^"]+\.webp)"', visitor.page("/profiles/demo-00001/"))
    headers, content = visitor.get(url)
    assert Image.open(BytesIO(content)).format == "WEBP"
    assert headers["X-Request-ID"] is None  # nginx serves a moved picture without Django.
    # A new member does not get the id of a moved one.
    visitor.send("/accounts/signup/", username="mary", **ACCOUNT | {"email": "mary@example.com"})
    assert "mary" in visitor.page("/profile/edit/")


def test_a_visitor_uploads_a_picture_and_shows_it_to_all(
    composition: Composition, ada: Visitor
) -> None:
    stranger = Visitor(composition.origin)
    protected = find_picture(ada)
    assert protected.startswith("/media/protected/")
    assert Image.open(BytesIO(ada.get(protected)[1])).format == "WEBP"
    with pytest.raises(HTTPError, match="404"):
        stranger.get(protected)
    ada.send("/profile/edit/", display_name="Ada", visibility="public")
    public = find_picture(stranger)
    headers, content = stranger.get(public)
    assert Image.open(BytesIO(content)).format == "WEBP"
    assert "immutable" in headers["Cache-Control"]
    assert headers["X-Request-ID"] is None  # Django has not seen it.
    with pytest.raises(HTTPError, match="404"):
        ada.get(protected)
    style = found(r'href="(/static/css/site\.[0-9a-f]{12}\.css)"', stranger.page("/"))
    assert stranger.get(style)[0]["Content-Type"].startswith("text/css")


def test_all_services_are_healthy_and_without_needless_rights(composition: Composition) -> None:
    for service in ("nginx", "site", "tidy", "audit", "migrate", "db"):
        state = composition.inspect(service)
        if service == "migrate":
            assert (state["State"]["Status"], state["State"]["ExitCode"]) == ("exited", 0)
        elif service in ("tidy", "audit"):
            assert state["State"]["Running"]
        else:
            assert state["State"]["Health"]["Status"] == "healthy"
        assert state["HostConfig"]["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in state["HostConfig"]["SecurityOpt"]
        assert state["HostConfig"]["ReadonlyRootfs"] == (service != "db")
    assert composition.inspect("nginx")["Config"]["User"] == "101:101"
    assert composition.run("docker compose exec -T site id -u").strip() == "10001"


def test_the_service_that_audits_has_done_so(composition: Composition) -> None:
    wellbeing = "docker compose exec -T site python manage.py wellbeing 2>&1 || true"
    wait_until(lambda: "The last audit was" in composition.run(wellbeing))


def test_a_picture_hidden_by_sql_is_hidden_by_the_service_that_tidies(
    composition: Composition, ada: Visitor
) -> None:
    ada.send("/profile/edit/", display_name="Ada", visibility="public")
    url = find_picture(ada)
    stranger = Visitor(composition.origin)
    assert stranger.get(url)[1]
    sql = "UPDATE profiles_profile SET visibility = 'private' WHERE display_name = 'Ada'"
    composition.run(f'docker compose exec -T db psql --username=likeness --command "{sql}"')
    path = url.removeprefix(composition.origin)
    for _ in range(180):  # It runs every minute.
        if get(composition.port, path)[0].status == 404:
            break
        time.sleep(1)
    else:
        pytest.fail("Strangers still see it.")
    assert find_picture(ada).startswith("/media/protected/")


def test_a_service_gets_only_the_secrets_that_it_needs(composition: Composition) -> None:
    text = (composition.folder / "likeness.env").read_text()
    key, password, same = (
        found(rf"(?m)^{name}=(.+)$", text)
        for name in ("DJANGO_SECRET_KEY", "POSTGRES_PASSWORD", "PGPASSWORD")
    )
    assert password == same != key
    assert key not in str(composition.inspect("db")["Config"]["Env"])
    assert password not in str(composition.inspect("nginx"))
    mode = (composition.folder / "likeness.env").stat().st_mode
    assert oct(mode & 0o777) == "0o600"


def test_no_request_fails_while_the_site_reloads(composition: Composition) -> None:
    is_over = Event()

    def visit() -> list[int]:
        statuses = []
        while not is_over.is_set():
            statuses += [get(composition.port, path)[0].status for path in ("/", "/profiles/")]
        return statuses

    with ThreadPoolExecutor(4) as pool:
        visits = [pool.submit(visit) for _ in range(4)]
        try:
            for _ in range(2):
                composition.run("docker compose exec -T site python config/reload.py 1")
                time.sleep(1)
        finally:
            is_over.set()
        statuses = [status for visit in visits for status in visit.result()]
    assert len(statuses) >= 8
    assert set(statuses) == {200}
    # Each gunicorn has ended, and the container has not.
    log = composition.run("docker compose logs site")
    assert log.count("Shutting down: Master") == 2
    assert log.count("Starting gunicorn") == 3


def test_an_upgrade_keeps_accounts_and_pictures(composition: Composition, ada: Visitor) -> None:
    url = find_picture(ada)
    before = ada.get(url)[1]
    image = composition.inspect("site")["Image"]
    style = composition.folder / "static/css/site.css"
    style.write_text(style.read_text() + "/* of the next version */\n")
    project = composition.folder / "pyproject.toml"
    project.write_text(project.read_text().replace(f'"{find_version()}"', '"99.0.0"'))
    composition.run_documented("Upgrade the composition")
    assert composition.inspect("site")["Image"] != image
    # The same session and picture, but the new stylesheet, not the one in nginx's cache.
    assert ada.get(find_picture(ada))[1] == before
    assert find_picture(ada) == url
    new = found(r'href="(/static/css/site\.[0-9a-f]{12}\.css)"', ada.page("/"))
    assert b"of the next version" in ada.get(new)[1]
    shown = composition.run("docker compose exec -T site python manage.py version")
    assert shown.strip() == "99.0.0"
    # And back.
    composition.run_documented("Go back with the composition")
    assert composition.inspect("site")["Image"] == image
    assert ada.get(find_picture(ada))[1] == before


def test_a_backup_restores_everything(composition: Composition, ada: Visitor) -> None:
    url = find_picture(ada)
    before = ada.get(url)[1]
    # Returns when the first backup was made, and verified.
    composition.run_documented("Back up the composition")
    state = composition.inspect("backup")
    assert state["HostConfig"]["CapDrop"] == ["ALL"]
    assert state["HostConfig"]["ReadonlyRootfs"]
    composition.run(DOWN)
    said = composition.run("echo yes | " + read_documented("Restore the composition"))
    assert ada.get(url)[1] == before
    assert find_picture(ada) == url
    assert not re.search(r"avatars/|protected/", said)
