"""How gunicorn serves the site. `PORT`, `WEB_CONCURRENCY` and `FORWARDED_ALLOW_IPS` are its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent

chdir = str(BASE_DIR)
bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or 8000}"
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1,::1"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 4  # Half of them may wait for a picture: PLACES in profiles/pictures/cell.py.
# A worker's heartbeat is a file that it touches: on a disk that stalls, it would be killed.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# It would lie in the user's home folder, which a service has no need of.
control_socket_disable = True
# The same lines as the workers' (config/logs.py), of which the master must know nothing: what it
# imports, a reload does not read again.
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
        # The site writes a line for each request itself.
        "gunicorn.access": {"level": "CRITICAL", "propagate": False},
    },
}


def on_starting(server: Any) -> None:
    """Refuse to start with a misconfiguration, which Django alone would find only when asked.

    In a process of its own, so that the master imports nothing of the site.
    """
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "ERROR"]
    if subprocess.run(command, cwd=BASE_DIR).returncode:
        sys.exit("Likeness does not start: fix the errors above.")
