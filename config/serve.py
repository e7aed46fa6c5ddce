"""Run gunicorn, and replace it by a new one on SIGHUP.

The new gunicorn starts beside the old one, which ends once a worker of the new one serves. If the
new one does not start, the old one stays. This process owns the listening sockets, and ends with
the last gunicorn. Its name (/proc/PID/comm, in `ps`) says what it does: config/reload.py reads it.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from gunicorn.sock import create_sockets
from gunicorn.systemd import SD_LISTEN_FDS_START, listen_fds, sd_notify

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config.env import WrongVariable, read

ARGUMENTS = ("--config", "config/gunicorn.conf.py", "config.wsgi")
# systemd's protocol has the process id of gunicorn, which is that of the shell before `exec`.
SCRIPT = 'unset NOTIFY_SOCKET; export LISTEN_PID=$$; exec "$0" -m gunicorn "$@"'
ENDING = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
SIGNALS = {signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1, *ENDING}
# likeness.service allows a reload 120 s for a start that goes on, 120 s for its own, and the old
# gunicorn 30 s to end.
MAX_START_SECONDS = 120
# What gunicorn reads itself, without naming the variable if it is wrong.
VARIABLES = {"FORWARDED_ALLOW_IPS": "networks", "PORT": "port", "WEB_CONCURRENCY": "workers"}


def enter_folder() -> None:
    """Enter the site's folder. A link in its path may lead to another version than before."""
    os.chdir(Path(__file__).resolve().parent.parent)


class Server:
    """The gunicorns that run: two while one replaces the other. 0 stands for none."""

    def __init__(self) -> None:
        # Its import reads WEB_CONCURRENCY, and the folder to which it returns.
        from gunicorn.app.wsgiapp import WSGIApplication

        sys.argv[1:] = ARGUMENTS
        config = WSGIApplication().cfg
        self.log = config.logger_class(config)
        count = listen_fds()
        self.sockets = list(range(SD_LISTEN_FDS_START, SD_LISTEN_FDS_START + count))
        if not self.sockets:
            self.sockets = sorted(each.sock.detach() for each in create_sockets(config, self.log))
        for descriptor in self.sockets:
            os.set_inheritable(descriptor, False)
        self.running: list[int] = []
        self.starting = 0
        self.deadline = 0.0  # Of the start.
        self.serving = 0  # The newest of which a worker has served.
        self.starts = self.last_success = 0  # How many, and which of them was the last to succeed.
        self.is_wanted = True
        self.ending = 0  # The signal on which this process ends.
        self.status = 1

    def run(self) -> int:
        """Serve until no gunicorn is left; return the exit status."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.start()
        while self.running:
            self.show_state()
            rest = max(0, self.deadline - time.monotonic()) if self.starting else MAX_START_SECONDS
            event = signal.sigtimedwait(SIGNALS, rest)
            self.reap()  # First: what a gunicorn that has ended reported counts no more.
            if event is None:
                self.give_up()
            elif event.si_signo == signal.SIGHUP:
                self.is_wanted = True
            elif event.si_signo == signal.SIGUSR1:
                self.take_over(event.si_pid)
            elif event.si_signo in ENDING:
                self.end(event.si_signo)
            if self.is_wanted and self.running and not self.starting and not self.ending:
                self.start()
        return self.status

    def show_state(self) -> None:
        if self.ending:
            state = "ending"
        elif self.starting:
            state = "starting"
        elif self.last_success < self.starts:
            state = "failed"
        else:
            state = "replacing" if len(self.running) > 1 else "serving"
        with suppress(OSError):
            Path("/proc/self/comm").write_text(f"{state} {self.starts}", "ascii")

    def start(self) -> None:
        """Start a gunicorn of the version that is now in the site's folder."""
        self.is_wanted = False
        self.starts += 1
        python = Path(sys.executable)
        try:
            enter_folder()
            self.starting = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", SCRIPT, str(python.parent.resolve() / python.name), *ARGUMENTS],
                os.environ | {"LISTEN_FDS": str(len(self.sockets)), "SERVE_PID": str(os.getpid())},
                # Where systemd would have put them.
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, descriptor, SD_LISTEN_FDS_START + number)
                    for number, descriptor in enumerate(self.sockets)
                ],
                setpgroup=0,  # Tells which gunicorn a worker belongs to.
                setsigmask=[],
                setsigdef=ENDING,  # A shell in the background ignores some of them.
            )
        except OSError as error:
            self.log.error("The new gunicorn did not start: %s", error)
            return
        self.running.append(self.starting)
        self.deadline = time.monotonic() + MAX_START_SECONDS

    def give_up(self) -> None:
        """Kill a gunicorn that has not served in time, and its workers."""
        if self.starting:
            self.log.error("The new gunicorn did not serve within %s s.", MAX_START_SECONDS)
            os.killpg(self.starting, signal.SIGKILL)
            self.starting = 0  # Its worker may have reported meanwhile.

    def take_over(self, worker: int) -> None:
        """End the other gunicorns, if the worker that serves is one of that which starts."""
        with suppress(ProcessLookupError):
            if self.starting and os.getpgid(worker) == self.starting:
                self.serving, self.starting = self.starting, 0
                self.last_success = self.starts
                for process in self.running:
                    if process != self.serving:
                        os.kill(process, signal.SIGTERM)
                sd_notify("READY=1", self.log)

    def end(self, number: int) -> None:
        self.ending = number
        for process in self.running:
            os.kill(process, number)

    def reap(self) -> None:
        """Note which gunicorns have ended. Process 1 also reaps processes whose parent ended."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                process, status = ended[0], os.waitstatus_to_exitcode(ended[1])
                if process in self.running:
                    self.running.remove(process)
                    self.note_end(process, status)

    def note_end(self, process: int, status: int) -> None:
        was_starting = process == self.starting
        if was_starting:
            self.starting = 0
            if not self.ending:
                self.log.error("The new gunicorn did not start.")
        if process == self.serving or (was_starting and not self.running):
            # A gunicorn that does not handle signals yet ends by the signal that was asked for.
            self.status = 0 if status == -self.ending else 128 - status if status < 0 else status


def main() -> int | str:
    enter_folder()
    try:
        for name, kind in VARIABLES.items():
            if name in os.environ:
                read(name, os.environ[name], kind)
    except WrongVariable as error:
        return str(error)
    return Server().run()


if __name__ == "__main__":
    sys.exit(main())
