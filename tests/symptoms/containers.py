"""Faults of containers, with real ones on the image that LIKENESS_IMAGE names."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from ..helpers.servers import find_port, wait_until
from ..production.engine import docker
from .looks import ask
from .project import PICTURE, SOURCE, STYLE, Project
from .servers import upload
from .variant import Variant, add, add_whitenoise, change, set_debug_off

DOCKERFILE = f"""FROM {os.environ.get("LIKENESS_IMAGE")}
USER 0
WORKDIR /srv/site
COPY . .
RUN python manage.py collectstatic --noinput
CMD python manage.py runserver --noreload 127.0.0.1:$PORT
"""
DEPLOY = """docker build --tag site .
docker rm --force site
docker run --detach --name site \\
    --volume site-data:/data \\
    site
"""
DATA = "    --volume site-data:/data \\\n"
MEDIA = f"{DATA}    --volume site-media:/srv/site/media \\\n"
STATIC = f"{DATA}    --volume site-static:/srv/site/staticfiles \\\n"


@contextmanager
def container(project: Project) -> Iterator[None]:
    """Give the containers of a project a name and a port, and remove them."""
    name = f"symptoms-{secrets.token_hex(4)}"
    project.address = f"127.0.0.1:{find_port()}"
    project.shown = {name: "site"}
    try:
        yield
    finally:
        docker("rm", "--force", name)
        volumes = docker("volume", "ls", "--quiet", "--filter", f"name={name}").split()
        docker("volume", "rm", "--force", name, *volumes)
        docker("image", "rm", "--force", name)
        docker("image", "prune", "--force", "--filter", f"label={name}")


def find_name(project: Project) -> str:
    return next(iter(project.shown))


def deploy(project: Project) -> None:
    """Run deploy.sh, with a name and a port of its own; on the host's network."""
    name, port = find_name(project), project.address.split(":")[1]
    script = re.sub(
        r"(--tag |--force |--name |--volume |    )site\b", rf"\1{name}", project.read("deploy.sh")
    )
    script = script.replace("docker build", f"docker build --network host --label {name}")
    script = script.replace("docker run", f"docker run --network host --env PORT={port}")
    done = project.run("sh", "-c", script)
    assert done.returncode == 0, done.stdout
    wait_until(lambda: is_open(project))


def is_open(project: Project) -> bool:
    try:
        return bool(ask(project, "/admin/jsi18n/")[0].status)
    except OSError:
        return False


def copy_database(project: Project) -> None:
    """Put the database into its volume, as `migrate` does before the first visit."""
    copy = ["cp", "/srv/site/db.sqlite3", "/data/db.sqlite3"]
    name = find_name(project)
    docker("build", "--network=host", f"--tag={name}", f"--label={name}", str(project.folder))
    docker("run", "--rm", "--network=host", f"--volume={name}-data:/data", name, *copy)


def picture_after_deploy(project: Project) -> str:
    """See what the site writes of a picture that was uploaded before a deploy."""
    copy_database(project)
    deploy(project)
    upload(project, "me.jpg", 10_000)
    deploy(project)
    ask(project, f"/media/{PICTURE}")
    logs = ""

    def is_logged() -> bool:
        nonlocal logs
        logs = docker("logs", find_name(project))
        return f"GET /media/{PICTURE}" in logs

    wait_until(is_logged)
    return "\n".join(re.findall(rf'"GET /media/{PICTURE} .+" \d+\b(?= )', logs))


def style_after_deploy(project: Project) -> str:
    """See which stylesheet the page has after it was changed and deployed."""
    copy_database(project)
    deploy(project)
    text = project.read(SOURCE)
    project.write(SOURCE, text + "\nh1 {\n  color: teal;\n}\n")
    deploy(project)
    project.write(SOURCE, text)
    content = ask(project, "/")[1].decode()
    return "\n".join(re.findall('<link rel="stylesheet".+', content))


put_data_on_a_volume = change("settings.py", 'BASE_DIR / "db.sqlite3"', '"/data/db.sqlite3"')
VARIANTS = [
    Variant(
        "container_disk",
        [put_data_on_a_volume, add("Dockerfile", DOCKERFILE), add("deploy.sh", DEPLOY)],
        picture_after_deploy,
        f"docker exec site python manage.py why {PICTURE}",
        [change("deploy.sh", DATA, MEDIA)],
        serve=container,
        needs="docker",
    ),
    Variant(
        "volume_over_static",
        [
            put_data_on_a_volume,
            add_whitenoise,
            set_debug_off,
            add("Dockerfile", DOCKERFILE),
            add("deploy.sh", DEPLOY),
            change("deploy.sh", DATA, STATIC),
        ],
        style_after_deploy,
        f"docker exec site python manage.py why {STYLE}",
        serve=container,
        needs="docker",
    ),
]
