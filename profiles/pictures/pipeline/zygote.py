"""The process that forks a cell for each uploaded picture. It opens none itself.

The site starts it (cell.py), with an empty environment. It never loads the settings, so that no
key is in its memory or in that of a cell.
"""

import ctypes
import gc
import json
import math
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NoReturn

from PIL import Image

from ..answer import HEAD, MAX_ANSWER_BYTES, write_answer, write_refusal
from ..avatar import Crop
from ..limits import Refused
from ..names import Sizes
from ..timings import Timings
from . import images, sandbox
from .colours import SRGB

MAX_MEGABYTES = 300
# A picture may take 2 s of CPU on a machine that makes the reference picture in REFERENCE_SECONDS,
# and up to 8 s on a slower one, rounded up to whole seconds for RLIMIT_CPU: 3 s on the machine of
# docs/benchmarks.md. The limit on elapsed time is three times that.
SECONDS, MAX_SECONDS, CLOCK_FACTOR = 2, 8, 3
REFERENCE_SECONDS = 0.04


def main() -> None:
    """Answer the site's requests, until it closes its end of the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is meant for the site.
    with suppress(OSError):
        os.nice(5)  # Pages come first.
        # If memory runs out, the kernel kills a cell and not the site.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    site = socket.socket(fileno=0)
    seconds = warm_up()
    limits = try_limits(seconds)
    # Free memory now, so that forks need not copy it. A cell is too short-lived for the collector.
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()
    gc.disable()
    features = json.dumps({"filter": bool(limits.seccomp), "seconds": seconds}).encode()
    site.sendall(HEAD.pack(0, 0, 0, len(features)) + features)
    while True:
        request, descriptors, _, _ = socket.recv_fds(site, 4096, 1)
        if not request:
            return
        answer, write_end = os.pipe()
        if (cell := os.fork()) == 0:
            run_cell(descriptors[0], write_end, request, limits)
        os.close(write_end)
        os.close(descriptors[0])
        site.sendall(wait_for(cell, answer, site, seconds))


def warm_up() -> int:
    """Load everything that is loaded late, since a cell cannot load anything.

    Returns the seconds of CPU that a picture may take here, measured with a reference picture.
    """
    Image.init()
    exif = Image.Exif()
    exif[0x0112] = 6
    small = Image.linear_gradient("L").convert("RGB")
    for kind in ("GIF", "PNG", "WEBP", "AVIF", "JPEG"):
        file = BytesIO()
        small.save(file, kind, exif=exif, icc_profile=SRGB.tobytes())
        images.make_avatar(file)
    reference = BytesIO()
    small.resize((2000, 2000)).save(reference, "JPEG")
    spent = min(measure(reference) for _ in range(3))
    return math.ceil(min(MAX_SECONDS, SECONDS * max(1, spent / REFERENCE_SECONDS)))


def measure(file: BytesIO) -> float:
    started = time.process_time()
    images.make_avatar(file)
    return time.process_time() - started


def try_limits(seconds: int) -> sandbox.Limits:
    """Return the limits of a cell, tried out in a fork; without the filter if that fails."""
    megabytes = MAX_MEGABYTES + get_data_megabytes()
    limits = sandbox.Limits(sandbox.load_libseccomp(), seconds, megabytes, os.getpid())
    if (cell := os.fork()) == 0:
        try:
            sandbox.enter(limits)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(cell, 0)
    return limits._replace(seccomp=None) if status else limits


def get_data_megabytes() -> int:
    """Return how much memory of this process RLIMIT_DATA counts already (proc(5), statm)."""
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[5])
        return pages * os.sysconf("SC_PAGESIZE") // 1_000_000
    return 0


def wait_for(cell: int, answer: int, site: socket.socket, seconds: int) -> bytes:
    """Return how a cell ended, and its answer; kill it when its time is over."""
    data, ended_by = bytearray(), 0
    deadline = time.monotonic() + seconds * CLOCK_FACTOR
    with open(answer, "rb", buffering=0) as pipe:
        while not ended_by and len(data) <= MAX_ANSWER_BYTES:
            ready, _, _ = select.select([pipe, site], [], [], 0.1)
            if site in ready:  # The site has ended: it sends nothing while it waits.
                os.kill(cell, signal.SIGKILL)
                raise SystemExit
            part = pipe.read(1 << 20) if pipe in ready else None
            if part == b"":
                break
            data += part or b""
            if time.monotonic() > deadline:
                ended_by = signal.SIGALRM
            elif get_cpu_seconds(cell) > seconds + 1:
                ended_by = signal.SIGXCPU
    # Its answer is complete. If it has already exited, its status is not changed by this.
    os.kill(cell, signal.SIGKILL)
    _, status, usage = os.wait4(cell, 0)
    cpu = round((usage.ru_utime + usage.ru_stime) * 1000)
    kilobytes = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    data = data if len(data) <= MAX_ANSWER_BYTES else bytearray()
    return HEAD.pack(ended_by or os.WTERMSIG(status), cpu, kilobytes, len(data)) + data


def get_cpu_seconds(process: int) -> float:
    """Return the CPU of a process to the nanosecond, by its clock (clock_getcpuclockid(3)).

    RLIMIT_CPU counts only what runs at the kernel's ticks, and a cell may sleep at each of them.
    """
    with suppress(OSError):
        return time.clock_gettime((~process << 3) | 2)
    return 0


def run_cell(picture: int, answer: int, request: bytes, limits: sandbox.Limits) -> NoReturn:
    """Open one picture in the sandbox, answer, and end this process in any case."""
    try:
        os.dup2(picture, sandbox.PICTURE)
        os.dup2(answer, sandbox.ANSWER)
        os.closerange(1, sandbox.ANSWER)
        os.closerange(sandbox.ANSWER + 1, 64)
        with open(sandbox.PICTURE, "rb") as file:
            sandbox.enter(limits)
            data = make_answer(file, request)
            while data:
                data = data[os.write(sandbox.ANSWER, data) :]
            os._exit(0)
    finally:
        os._exit(1)


def make_answer(file: BinaryIO, request: bytes) -> bytes:
    crop, widths, link_preview = json.loads(request)
    sizes, timings = Sizes(tuple(widths), link_preview), Timings()
    try:
        return write_answer(images.make_avatar(file, Crop(**crop), timings, sizes), timings)
    except Refused as refused:
        return write_refusal(refused)
