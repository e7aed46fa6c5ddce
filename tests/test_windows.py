"""The pages without what Python has on Unix alone, since no test runs on Windows."""

import shutil
from pathlib import Path

import pytest

from .helpers.servers import get, make_environment, serve

pytestmark = pytest.mark.slow

RUN = """
import os, runpy, signal, socket, sys
sys.modules |= dict.fromkeys(["fcntl", "grp", "pwd", "resource", "termios"])
for name in "SIGALRM SIGCHLD SIGHUP SIGKILL SIGQUIT SIGUSR1 SIGXCPU sigtimedwait".split():
    delattr(signal, name)
for name in "fork getuid geteuid killpg memfd_create sched_getaffinity".split():
    delattr(os, name)
del socket.send_fds, socket.recv_fds
sys.argv[0] = "manage.py"
runpy.run_path("manage.py", run_name="__main__")
"""


def test_the_pages_work_on_windows(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path, DJANGO_DEBUG="on")
    command = ("-c", RUN, "runserver", "--noreload", "127.0.0.1:{port}")
    with serve(environment, *command) as port:
        for path in ("/", "/profiles/", "/how-it-works/", "/accounts/signup/", "/admin/login/"):
            assert get(port, path)[0].status in (200, 302)
