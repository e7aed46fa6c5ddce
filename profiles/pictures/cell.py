"""Have a stranger's picture opened in a cell: a process of its own that may only compute.

This is the site's side, which loads no decoder. It starts a zygote (zygote.py), which forks a cell
for each picture, and believes nothing of what a cell answers before it has looked at it.
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
from signal import SIGALRM, SIGKILL, SIGXCPU, Signals
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, NamedTuple

from .answer import HEAD, MAX_SIDE, read_answer
from .avatar import Avatar, Crop
from .limits import SIGNATURE_BYTES, Refused, find_format
from .names import Sizes
from .timings import Timings

logger = logging.getLogger(__name__)

# So many threads may have a picture in the cell or wait for it: half of a worker's
# (config/gunicorn.conf.py), so that the others go on serving pages.
PLACES = 2
# How often a zygote that somebody has ended is started anew for one picture.
TRIES = 3
# Longer than a zygote waits for its cell on the slowest machine.
MAX_WAIT_SECONDS = 40
# libheif and libavif report a broken file when they get no more memory: beyond so many kB, that is
# what it means (zygote.py, MAX_MEGABYTES).
OUT_OF_MEMORY = 240_000
# Why a picture is refused whose cell was ended by a signal. SIGALRM: by the zygote, since the time
# by the clock was over, though that of the CPU was not.
ENDED_BY: dict[int, str] = {SIGXCPU: "heavy", SIGKILL: "heavy", SIGALRM: "unable"}
UNSAFE = ("AVIF", "HEIF")  # Those whose decoders have had the most holes.
# Nothing of the site's. All memory is new to a cell: in pages of 2 MB and few steps it comes 5 to
# 15 % faster. For more than 8 arenas, libc would ask for the number of processors by a file.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:"
    "glibc.malloc.trim_threshold=67108864:glibc.malloc.top_pad=4194304:glibc.malloc.arena_max=8"
}
PROGRAM = "import sys; sys.path[:] = {path!r}; from {package}.pipeline.zygote import main; main()"

_places = threading.BoundedSemaphore(PLACES)
_turn = threading.Lock()


class Answer(NamedTuple):
    """What a cell has answered, and how it ended."""

    ended_by: int
    milliseconds: int
    kilobytes: int
    data: bytes


class Zygote:
    """The process that forks the cells. It ends with its socket, however this process ends."""

    current: "Zygote | None" = None

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.features: dict[str, Any] = {}
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(MAX_WAIT_SECONDS)
        # No start-up code of site-packages: the path says all. No warnings: to show one, Python
        # reads a line of its source, and that ends a cell.
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
    def find(cls) -> "Zygote":
        """Return this process's own; start one where there is none, or none any more."""
        zygote = cls.current
        if zygote:
            # After a fork, parent and child would share one, and get each other's answers.
            if zygote.owner == os.getpid() and zygote.process.poll() is None:
                return zygote
            zygote.socket.close()
        cls.current = cls()
        return cls.current

    def read_features(self) -> dict[str, Any]:
        """Return what it says of itself once it is ready."""
        self.features = self.features or json.loads(self.receive().data)
        return self.features

    def ask(self, picture: IO[bytes], crop: Crop, sizes: Sizes, needs_filter: bool) -> Answer:
        """Return what a cell answers; raise `EOFError` or `OSError` when the zygote has ended."""
        if not self.read_features()["filter"] and needs_filter:
            raise Refused("unsafe")
        # A form takes numbers of any length; no picture needs such.
        numbers = {name: _clamp(getattr(crop, name)) for name in ("x", "y", "size")}
        square = {"keep": crop.keep, **numbers}
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
    """End this process's zygote."""
    if Zygote.current and Zygote.current.owner == os.getpid():
        Zygote.current.end()


def start() -> None:
    """Start a zygote, so that it is warm when the first picture comes."""
    with suppress(OSError):  # Then it is tried again.
        Zygote.find()


def has_filter() -> bool:
    """Return whether the kernel filters what a cell does.

    Raises `EOFError` or `OSError` where no zygote can be started.
    """
    with _turn:
        return bool(Zygote.find().read_features()["filter"])


def make_avatar(
    file: BinaryIO,
    crop: Crop = Crop(),
    timings: Timings | None = None,
    sizes: Sizes = Sizes(),
    needs_filter: bool = False,
) -> Avatar:
    """Return the avatar cut out of a picture; raise `Refused` with the reason.

    With `needs_filter`, HEIC and AVIF are refused where nothing filters what their decoders do.
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
    """Hold one of the places at the cell; refuse at once where there is none."""
    if not _places.acquire(blocking=False):
        raise Refused("busy")
    try:
        yield
    finally:
        _places.release()


def _open_descriptor(file: BinaryIO) -> IO[bytes]:
    """Return a file that has a descriptor and a position of its own.

    What is on the disk is opened again, for reading alone; what is in memory is copied.
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
    """Return an empty file without a name; where memory has no files, as on macOS, on the disk."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("picture"), "w+b", buffering=0)
    return TemporaryFile(buffering=0)


def _ask(picture: IO[bytes], crop: Crop, sizes: Sizes, needs_filter: bool) -> Answer:
    for _ in range(TRIES):
        try:
            return Zygote.find().ask(picture, crop, sizes, needs_filter)
        except (EOFError, OSError) as error:
            end()
            logger.warning("The process that has pictures opened has ended. Starting another.")
            if isinstance(error, TimeoutError):
                break
    raise Refused("unable")


def _judge(answer: Answer, kind: str, sizes: Sizes, timings: Timings) -> Avatar:
    """Return the avatar that a cell has made, or raise `Refused` with why it has not."""
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
        raise Refused(ENDED_BY.get(answer.ended_by, "crashed")) from error
    logger.info("A cell made an avatar of a %s.", kind, extra=facts)
    timings.update(spent)
    return avatar


def _name_signal(number: int) -> str:
    known = {signal.value: signal.name for signal in Signals}
    return known.get(number, f"signal {number}" if number else "no signal")
