"""Measure an upload in a new process: CPU and wall time, memory over the idle process."""

import argparse
import json
import logging
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profiles.pictures import cell

ROOT = Path(__file__).parent.parent
# Short uploads are measured several times in a process, long ones once.
ENOUGH_SECONDS, ENOUGH_CALLS = 0.4, 5


def run(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of the bench in a new process; return its JSON, or an error."""
    command = [sys.executable, "-W", "ignore", "-m", f"bench.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return {"error": (done.stderr.strip() or "ended").splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


class Cells(logging.Handler):
    """Collects the CPU and memory of each cell from the site's log."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds, self.megabytes = 0.0, 0.0
        cell.logger.addHandler(self)
        cell.logger.setLevel(logging.INFO)
        cell.logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        facts = vars(record)
        if "cpu" in facts:
            self.seconds += facts["cpu"] / 1000
            self.megabytes = max(self.megabytes, facts["megabytes"])


CELLS = Cells()


def get_cpu() -> float:
    """Return the CPU seconds of this process, its ended children, the zygote and the cells."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = sum(usage.ru_utime + usage.ru_stime for usage in usages) + CELLS.seconds
    zygote = cell.Zygote.current
    return spent + (get_cpu_of(zygote.process.pid) if zygote else 0)


def get_cpu_of(process: int) -> float:
    """Return the CPU seconds of all threads of a process, to the nanosecond."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def get_megabytes(name: str) -> float:
    """Return this process's memory: VmRSS is the current value, VmHWM the peak."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6


def reset_peak() -> float:
    """Reset the peak of memory (VmHWM); return the memory of the idle process."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return get_megabytes("VmRSS")


def time_call(call: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = get_cpu(), time.perf_counter()
    call()
    return get_cpu() - cpu, time.perf_counter() - wall


def measure_upload(name: str, source: Path, folder: Path) -> dict[str, Any]:
    """Measure a contestant: the first upload for memory, those after it for time."""
    from .contestants import CONTESTANTS

    upload = CONTESTANTS[name](folder)
    idle = reset_peak()
    upload(source)
    spent: list[tuple[float, float]] = []
    while sum(cpu for cpu, _ in spent) < ENOUGH_SECONDS and len(spent) < ENOUGH_CALLS:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        spent.append(time_call(lambda: upload(source)))
    # The peak of one child process; for Likeness, that of its cell.
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    children = max(children, CELLS.megabytes)
    return {
        "cpu": sum(cpu for cpu, _ in spent) / len(spent) * 1000,
        "wall": sum(wall for _, wall in spent) / len(spent) * 1000,
        "memory": get_megabytes("VmHWM") - idle + children,
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5, help="take medians of so many rounds")
    parser.add_argument("--threads", type=int, help="of each worker, in bench.everybody alone")
    parser.add_argument("--quick", action="store_true", help="two rounds of the main picture only")
    return parser.parse_args()


if __name__ == "__main__":
    print(json.dumps(measure_upload(sys.argv[1], *map(Path, sys.argv[2:]))))
