"""The container engine, used as by an operator."""

import json
import re
import shutil
import subprocess
import time

import pytest

from tests.helpers.servers import ROOT


def docker(*arguments: str) -> str:
    done = subprocess.run(
        [shutil.which("docker") or "docker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def read_documented(heading: str) -> str:
    """Return the first commands under a heading of docs/deploying.md."""
    section = (ROOT / "docs/deploying.md").read_text().split(f"# {heading}\n")[1].split("\n##")[0]
    return section.split("```sh\n")[1].split("```")[0].replace("git pull\n", "")


def stand_in(script: str, container: str, volume: str, image: str) -> str:
    """Return the manual's commands for another container, volume and image than "likeness".

    On the host's network, so that no bridge need be there.
    """
    run = f"--network host --volume {volume}:/data {image}"
    script = script.replace("--volume likeness:/data likeness", run)
    script = script.replace("--volume likeness:/stage1", f"--volume {volume}:/stage1")
    script = re.sub(r"docker (exec|stop|start) likeness\b", rf"docker \1 {container}", script)
    assert "volume likeness:" not in script, script  # An operator's own volume.
    return script


def wait_until_healthy(container: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = json.loads(docker("inspect", "--format={{json .State}}", container))
        if state["Health"]["Status"] == "healthy":
            return
        if not state["Running"]:
            break
        time.sleep(0.5)
    pytest.fail(f"The container is not healthy:\n{docker('logs', container)}")
