"""Django's cache on a real Redis, as CACHE_URL names it, seen by more than one process."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import ConnectionError, Redis

from tests.helpers.servers import find_port, make_environment, manage

SERVER = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(not SERVER, reason="Install redis-server.")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    port = find_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([SERVER or "", *options], stdout=subprocess.DEVNULL)
    try:
        with Redis(port=port) as client:
            for _ in range(100):
                try:
                    client.ping()
                    break
                except ConnectionError:
                    time.sleep(0.1)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(30)


def test_what_one_process_keeps_another_finds(redis: str, tmp_path: Path) -> None:
    environment = make_environment(tmp_path, CACHE_URL=redis)
    shell = ["shell", "--no-imports", "--command"]
    start = "from django.core.cache import cache; "
    assert manage(environment, *shell, start + "cache.set('who', 'ada')").returncode == 0
    assert manage(environment, *shell, start + "print(cache.get('who'))").stdout.strip() == "ada"
