"""The container engine, asked as an operator asks it."""

import json
import shutil
import subprocess
import time

import pytest


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
