"""The configuration of gunicorn. docs/deploying.md describes the environment variables."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent

chdir = str(BASE_DIR)
# By this, wsgi.py knows that this file was read, and the checks that gunicorn is to serve.
os.environ["LIKENESS_GUNICORN"] = "configured"
host = (os.environ.get("HOST") or "127.0.0.1").strip(" \"'[]")
port = os.environ.get("PORT") or "8000"
# A port that is no number is left to the checks, which name the variable.
bind = f"{f'[{host}]' if ':' in host else host}:{port if port.isdecimal() else 0}"
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1,::1"
# By default a proxy may set SCRIPT_NAME, which every link of a page begins with. None in front of
# the site sets it, so it would be a visitor's.
forwarder_headers = ""
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 4  # Half of them may wait for a picture: PLACES in profiles/pictures/cell.py.
# In memory: a worker touches this file as its heartbeat, and is killed if a slow disk blocks that.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# The control socket would be in the user's home folder, which a service does not need.
control_socket_disable = True
# The same format as in config/logs.py, which the master must not import: a reload does not read
# again what the master has imported.
logconfig_dict = {
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": ["levelname", "name", "message"],
            "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "traceback"},
            "timestamp": "time",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        "gunicorn.error": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # The site logs each request itself.
        "gunicorn.access": {"level": "CRITICAL", "propagate": False},
    },
}


def on_starting(server: Any) -> None:
    """Run the deployment checks, and do not start if one reports an error.

    They run in a new process, so that the master imports nothing of the site.
    """
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "ERROR"]
    if subprocess.run(command, cwd=BASE_DIR).returncode:
        sys.exit("Likeness does not start: fix the errors above.")


def pre_fork(server: Any, worker: Any) -> None:
    """Note whose child the master is: it may have outlived config/serve.py."""
    worker.serve_pid = os.getppid()


def post_worker_init(worker: Any) -> None:
    """Report to config/serve.py that a worker serves."""
    if os.environ.get("SERVE_PID") == str(worker.serve_pid):
        with suppress(ProcessLookupError):
            os.kill(worker.serve_pid, signal.SIGUSR1)
