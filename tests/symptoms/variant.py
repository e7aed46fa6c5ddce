"""A fault, how it is seen, how its cause is found, and what fixes it."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..production.buckets import S3
from ..production.front import NGINX
from .looks import Look, alone
from .project import Project

Step = Callable[[Project], object]


@dataclass(frozen=True)
class Variant:
    """A change of the smallest example. Its last step is the fault, if the example has it not."""

    name: str
    steps: Sequence[Step]
    look: Look
    command: str
    # Without any, the fault is undone.
    fixes: Sequence[Step] = ()
    # The fix, where it is a command and not a change of the source.
    fix: str = ""
    serve: Callable[[Project], AbstractContextManager[None]] = alone
    needs: str = ""

    def is_possible(self) -> bool:
        """Return whether what it needs is on this machine."""
        as_root = NGINX and os.geteuid() == 0
        tools = {"nginx": NGINX, "root": as_root, "bucket": S3.hostname}
        tools["docker"] = os.environ.get("LIKENESS_IMAGE")
        return bool(tools.get(self.needs, True))

    def record(self, project: Project) -> dict[str, str]:
        """Break a project and fix it; return what is seen and said."""
        for step in self.steps[:-1]:
            step(project)
        whole = project.read_source()
        for step in self.steps[-1:]:
            step(project)
        broken = project.read_source()
        with self.serve(project):
            seen = project.simplify(self.look(project))
            answer = project.tell(self.command)
        assert seen, "Nothing is wrong."
        for step in self.fixes or [self._undo(whole)]:
            step(project)
        fix = self.fix or project.diff(broken)
        with self.serve(project):
            assert seen not in project.simplify(self.look(project)), "The fix does not help."
        return {"seen": seen, "command": self.command, "answer": answer, "fix": fix}

    def _undo(self, whole: dict[str, str]) -> Step:
        return run(self.fix) if self.fix else lambda project: project.restore(whole)


def all_of(*steps: Step) -> Step:
    def take(project: Project) -> None:
        for step in steps:
            step(project)

    return take


def change(name: str, old: str, new: str) -> Step:
    return lambda project: project.change(name, old, new)


def add(name: str, text: str) -> Step:
    return lambda project: project.write(name, text)


def append(name: str, text: str) -> Step:
    return lambda project: project.write(name, project.read(name) + text)


def move(old: str, new: str) -> Step:
    def take(project: Project) -> None:
        text = project.read(old)
        (project.folder / old).unlink()
        project.write(new, text)

    return take


def run(command: str) -> Step:
    return lambda project: project.tell(command)


def add_picture(project: Project) -> None:
    project.add_picture()


SECURITY = '    "django.middleware.security.SecurityMiddleware",\n'
WHITENOISE = f'{SECURITY}    "whitenoise.middleware.WhiteNoiseMiddleware",\n'

collect = run("manage.py collectstatic --noinput")
set_debug_off = change("settings.py", "DEBUG = True", 'DEBUG = False\nALLOWED_HOSTS = ["*"]')
add_whitenoise = change("settings.py", SECURITY, WHITENOISE)
