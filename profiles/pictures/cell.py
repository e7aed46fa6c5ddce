"""Open visitors' pictures in cells: separate processes that may only compute.

This is the site's side, which loads no decoder. It starts a zygote (pipeline/zygote.py), which
forks a cell for each picture, and checks every field of a cell's answer (answer.py).
"""

import atexit
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from shutil import copyfileobj
from signal import Signals
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, NamedTuple

from .answer import HEAD, MAX_SIDE, read_answer
from .avatar import Avatar, Crop
from .limits import SIGNATURE_BYTES, Refused, find_format
from .names import Sizes
from .timings import Timings

logger = logging.getLogger(__name__)

# How many threads may have a picture in a cell or wait for it: half of a worker's
# (config/gunicorn.conf.py), so that the others continue to serve pages.
PLACES = 2
# How often a picture is tried if its zygote is killed each time.
TRIES = 3
# Longer than a zygote waits for its cell on the slowest machine.
MAX_WAIT_SECONDS = 40
# libheif and libavif report a broken file if they run out of memory (zygote.MAX_MEGABYTES). If the
# cell used more kB than this, that was the cause.
OUT_OF_MEMORY = 240_000
# The reason for a refusal by the signal that ended the cell. The zygote reports SIGALRM if the
# limit on elapsed time was reached before the limit on CPU.
ENDED_BY = {"SIGXCPU": "heavy", "SIGKILL": "heavy", "SIGALRM": "unable"}
UNSAFE = ("AVIF", "HEIF")  # Their decoders have had the most vulnerabilities.
# Without the site's variables. A cell has to allocate all its memory: in pages of 2 MB and in few
# steps that is 5 to 15 % faster. For more than 8 arenas, libc would read a file of the processors.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:"
    "glibc.malloc.trim_threshold=67108864:glibc.malloc.top_pad=4194304:glibc.malloc.arena_max=8"
}
PROGRAM = "import sys; sys.path[:] = {path!r}; from {package}.pipeline.zygote import main; main()"

_places = threading.BoundedSemaphore(PLACES)
_turn = threading.Lock()


class Answer(NamedTuple):
    """The answer of a cell, and how it ended."""

    ended_by: int
    milliseconds: int
    kilobytes: int
    data: bytes


class Zygote:
    """The process that forks the cells. It ends with its socket, and so with this process."""

    current: "Zygote | None" = None

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.features: dict[str, Any] = {}
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(MAX_WAIT_SECONDS)
        # Without the start-up code of site-packages, since the path is complete. Without warnings:
        # to print one, Python reads a line of the source file, and that kills a cell.
        options = ["-I", "-S", "-W", "ignore", "-c"]
        program = PROGRAM.format(path=sys.path, package=__package__)
        try:
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, *options, program],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env=ENVIRONMENT,
                )
        except OSError:
            self.socket.close()
            raise

    @classmethod
    def get_or_start(cls) -> "Zygote":
        """Return this process's zygote; start one if there is none or it has ended."""
        zygote = cls.current
        if zygote:
            # After a fork, parent and child must not share one: they would mix up the answers.
            if zygote.owner == os.getpid() and zygote.process.poll() is None:
                return zygote
            zygote.socket.close()
        cls.current = cls()
        return cls.current

    def read_features(self) -> dict[str, Any]:
        """Wait until the zygote is ready, and return its features."""
        self.features = self.features or json.loads(self.receive().data)
        return self.features

    def ask(self, picture: IO[bytes], crop: Crop, sizes: Sizes, needs_filter: bool) -> Answer:
        """Return a cell's answer; raise `EOFError` or `OSError` if the zygote has ended."""
        if not self.read_features()["filter"] and needs_filter:
            raise Refused("unsafe")
        # A form accepts numbers of any length, but no picture needs them.
        numbers = {name: _clamp(getattr(crop, name)) for name in ("x", "y", "size")}
        square = {"keep": crop.keep, "turn": crop.turn, **numbers}
        request = json.dumps([square, sizes.widths, sizes.link_preview]).encode()
        picture.seek(0)
        socket.send_fds(self.socket, [request], [picture.fileno()])
        return self.receive()

    def receive(self) -> Answer:
        ended_by, milliseconds, kilobytes, size = HEAD.unpack(self.receive_exactly(HEAD.size))
        return Answer(ended_by, milliseconds, kilobytes, self.receive_exactly(size))

    def receive_exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def end(self) -> None:
        self.socket.close()
        self.process.kill()
        self.process.wait()


@atexit.register
def end() -> None:
    if Zygote.current and Zygote.current.owner == os.getpid():
        Zygote.current.end()


def start() -> None:
    """Start a zygote early, so that it is ready for the first picture."""
    with suppress(OSError):  # The first picture tries again.
        Zygote.get_or_start()


def has_filter() -> bool:
    """Return whether the kernel filters the system calls of a cell.

    Raises `EOFError` or `OSError` if no zygote can be started.
    """
    with _turn:
        return bool(Zygote.get_or_start().read_features()["filter"])


def make_avatar(
    file: BinaryIO,
    crop: Crop = Crop(),
    timings: Timings | None = None,
    sizes: Sizes = Sizes(),
    needs_filter: bool = False,
) -> Avatar:
    """Return the avatar made from a picture; raise `Refused` with the reason.

    With `needs_filter`, HEIC and AVIF are refused if cells have no system call filter.
    """
    timings = Timings() if timings is None else timings
    with _hold_place(), _open_descriptor(file) as picture:
        kind = find_format(picture.read(SIGNATURE_BYTES))
        needs_filter = needs_filter and kind in UNSAFE
        started = time.perf_counter()
        with _turn:
            timings.add("wait", started)
            answer = _ask(picture, crop, sizes, needs_filter)
    return _judge(answer, kind, sizes, timings)


def _clamp(number: int | None) -> int | None:
    return number and max(-MAX_SIDE, min(number, MAX_SIDE))


@contextmanager
def _hold_place() -> Iterator[None]:
    """Hold one of the places; refuse at once if none is free."""
    if not _places.acquire(blocking=False):
        raise Refused("busy")
    try:
        yield
    finally:
        _places.release()


def _open_descriptor(file: BinaryIO) -> IO[bytes]:
    """Return a file with its own descriptor and position.

    A file on the disk is opened again, read-only; a file in memory is copied.
    """
    try:
        file.flush()
        return open(f"/proc/self/fd/{file.fileno()}", "rb", buffering=0)
    except OSError:
        copy = open_in_memory()
        file.seek(0)
        copyfileobj(file, copy, 1 << 20)
        copy.seek(0)
        return copy


def open_in_memory() -> IO[bytes]:
    """Return an empty file without a name, in memory; on macOS, on the disk."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("picture"), "w+b", buffering=0)
    return TemporaryFile(buffering=0)


def _ask(picture: IO[bytes], crop: Crop, sizes: Sizes, needs_filter: bool) -> Answer:
    for _ in range(TRIES):
        try:
            return Zygote.get_or_start().ask(picture, crop, sizes, needs_filter)
        except (EOFError, OSError) as error:
            end()
            logger.warning("The process that opens pictures has ended. Starting another.")
            if isinstance(error, TimeoutError):
                break
    raise Refused("unable")


def _judge(answer: Answer, kind: str, sizes: Sizes, timings: Timings) -> Avatar:
    """Return the avatar in a cell's answer, or raise `Refused` with the reason."""
    facts = {"format": kind, "cpu": answer.milliseconds, "megabytes": answer.kilobytes // 1000}
    try:
        avatar, spent = read_answer(answer.data, sizes)
    except Refused as refused:
        if (
            refused.code in ("broken", "cut")
            and kind in UNSAFE
            and answer.kilobytes > OUT_OF_MEMORY
        ):
            refused = Refused("heavy")
        logger.info("A cell refused a %s: %s.", kind or "file", refused.code, extra=facts)
        raise refused from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        facts["signal"] = signal = _name_signal(answer.ended_by)
        logger.warning(
            "A cell that opened a %s ended with %s.", kind or "file", signal, extra=facts
        )
        raise Refused(ENDED_BY.get(signal, "crashed")) from error
    logger.info("A cell made an avatar of a %s.", kind, extra=facts)
    timings.update(spent)
    return avatar


def _name_signal(number: int) -> str:
    known = {signal.value: signal.name for signal in Signals}
    return known.get(number, f"signal {number}" if number else "no signal")
