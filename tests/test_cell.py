"""Hostile code in a picture runs in a cell, a process that may only compute."""

import ctypes
import os
import runpy
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.checks import run_checks
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from profiles.pictures import cell
from profiles.pictures.cell import Zygote
from profiles.pictures.limits import Refused
from profiles.pictures.names import Sizes
from profiles.pictures.pipeline import sandbox

from .helpers.cells import find_children, watch_cells
from .helpers.pictures import draw_as, draw_jpeg
from .helpers.servers import ROOT
from .test_uploads import upload_named

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has the filter.")
# Stands for a decoder with a vulnerability: it runs a "picture" that is a program.
TAKEN_OVER = """
import sys; sys.path[:] = {path!r}
import ctypes, io, json, mmap, os, resource, signal, socket, subprocess, threading, time
from {package}.pipeline import sandbox, zygote
PAGE = ctypes.c_void_p(id(zygote) & ~4095)
open_honestly = zygote.make_answer

def make_answer(file, request):
    code = file.peek()
    if not code.startswith(b"# code"):
        return open_honestly(file, request)
    names = globals() | dict(answer=b"")
    exec(code, names)
    return names["answer"]

def tell_lies(**lies):
    picture = io.BytesIO()
    zygote.Image.linear_gradient("L").save(picture, "JPEG")
    honest = open_honestly(picture, json.dumps([dict(), [512, 256, 128, 64], 256]))
    start = 4 + int.from_bytes(honest[:4])
    head = json.loads(honest[4:start])
    head["source"] |= lies.pop("source", dict())
    text = json.dumps(head | lies).encode()
    return len(text).to_bytes(4) + text + honest[start:]

def fill_and_hide():
    "Take memory that is counted, write it, and make it such that is not."
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    for _ in range(9):
        page = libc.mmap(None, 100 << 20, 3, 34, -1, 0)
        ctypes.memset(page, 1, 100 << 20)
        assert libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(100 << 20), 1) == 0

def grow_the_stack():
    "Let a page of the stack, which is not counted, become a large one."
    page = ctypes.addressof(ctypes.c_char()) & ~4095
    libc = ctypes.CDLL(None)
    libc.mremap.restype = ctypes.c_ssize_t
    assert libc.mremap(ctypes.c_void_p(page), 4096, ctypes.c_size_t(1 << 30), 1) > 0

zygote.make_answer = make_answer
zygote.CLOCK_FACTOR = 15
zygote.main()
"""


PLAIN = """
import sys; sys.path[:] = {path!r}
from {package}.pipeline import sandbox, zygote
zygote.main()
"""


@pytest.fixture
def lone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zygote]:
    """A zygote for one test, whose cells run a picture's code."""
    monkeypatch.setattr(cell, "PROGRAM", TAKEN_OVER)
    zygote = Zygote()
    zygote.read_features()
    yield zygote
    zygote.end()


# All descriptors except those of the picture and the answer are closed.
CLOSED = """
for number in (1, 2, *range(4, 64)):
    try:
        os.lseek(number, 0, 0)
    except OSError as fault:
        assert fault.errno == 9
    else:
        raise AssertionError(number)
"""


@pytest.fixture(scope="module")
def corrupt() -> Iterator[Zygote]:
    """A zygote whose cells run a picture's code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell, "PROGRAM", TAKEN_OVER)
        zygote = Zygote()
    yield zygote
    zygote.end()


@pytest.fixture
def taken_over(corrupt: Zygote, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Open pictures there, and check that the zygote survives everything that its cells do."""
    monkeypatch.setattr(Zygote, "current", corrupt)
    yield
    take()
    assert Zygote.current is corrupt


def run(code: str) -> tuple[str, str]:
    """Run code in a cell; return the refusal's code, and the signal that ended the cell."""
    with watch_cells() as cells, pytest.raises(Refused) as caught:
        cell.make_avatar(BytesIO(b"# code\n" + code.encode()))
    return caught.value.code, getattr(cells[-1], "signal", "")


def take(data: bytes = draw_jpeg()) -> None:
    """Make an avatar, as for the next person who uploads a picture."""
    assert list(cell.make_avatar(BytesIO(data)).files) == Sizes().endings


FORBIDDEN = {
    "opens a file": "open('/etc/passwd')",
    "opens a file for writing": "os.open('/tmp/cell', os.O_CREAT | os.O_WRONLY)",
    "lists a folder": "os.listdir('/')",
    "removes a file": "os.unlink('/tmp/cell')",
    "opens a socket": "socket.socket()",
    "makes a pair of sockets": "socket.socketpair()",
    "makes a pipe": "os.pipe()",
    "becomes another program": "os.execv('/bin/true', ['true'])",
    "forks": "os.fork()",
    "starts a program": "os.posix_spawn('/bin/true', ['true'], {})",
    "starts a shell": "subprocess.run('true', shell=True)",
    "reads the environment of its parent": "open(f'/proc/{os.getppid()}/environ')",
    "kills its parent": "os.kill(os.getppid(), 9)",
    "kills all that it may": "os.kill(-1, 9)",
    "signals a thread of its parent": "ctypes.CDLL(None).tgkill(os.getppid(), os.getppid(), 9)",
    "writes to the picture": "os.write(0, b'x')",
    "writes to another descriptor": "os.write(4, b'x')",
    "copies a descriptor": "os.dup(3)",
    "makes memory that can be run": "mmap.mmap(-1, 4096, flags=34, prot=mmap.PROT_EXEC)",
    "makes memory of its own to be run": "ctypes.CDLL(None).mprotect(PAGE, 4096, 5)",
    "takes memory that is shared": "mmap.mmap(-1, 1 << 30, flags=mmap.MAP_SHARED | 32)",
    "takes memory as a stack": "mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | 32 | 0x100)",
    "hides memory that it has written": "page = mmap.mmap(-1, 1 << 20, flags=34); "
    "ctypes.CDLL(None).mprotect(ctypes.addressof(ctypes.c_char.from_buffer(page)), 1 << 20, 5)",
    "maps the picture": "mmap.mmap(0, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)",
    "gives itself more memory": "resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40))",
    "limits its parent": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))",
    "lets others trace it": "ctypes.CDLL(None).prctl(4, 1)",
    "traces its parent": "ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)",
    "reads its parent's memory": "ctypes.CDLL(None).process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)",
    "opens a file in a thread": "threading.Thread(target=lambda: open('/etc/passwd')).start(); "
    "time.sleep(9)",
}


@linux
@pytest.mark.parametrize("name", FORBIDDEN)
def test_code_in_a_picture_is_killed_at_its_first_forbidden_call(
    name: str, taken_over: None
) -> None:
    assert run(FORBIDDEN[name]) == ("crashed", "SIGSYS")


@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("while True: pass", ("heavy", "SIGXCPU")),
        ("signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", ("heavy", "SIGKILL")),
        ("ctypes.string_at(0)", ("crashed", "SIGSEGV")),
        ("os.abort()", ("crashed", "SIGABRT")),
        ("os._exit(0)", ("crashed", "no signal")),
        ("signal.raise_signal(40)", ("crashed", "signal 40")),
        ("os.stat('/etc/passwd'); answer = tell_lies()", ("crashed", "no signal")),
        ("bytearray(2 << 30); answer = tell_lies()", ("crashed", "no signal")),
        ("fill_and_hide(); answer = tell_lies()", ("crashed", "no signal")),
        ("grow_the_stack(); answer = tell_lies()", ("crashed", "no signal")),
        ("kept = []\nwhile True: kept.append(bytes(1 << 20))", ("crashed", "no signal")),
    ],
)
def test_code_in_a_picture_is_limited_in_time_and_memory(
    code: str, expected: tuple[str, str], taken_over: None
) -> None:
    assert run(code) == expected


@linux
def test_code_that_sleeps_is_killed_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    program = TAKEN_OVER.replace("zygote.CLOCK_FACTOR = 15", "zygote.CLOCK_FACTOR = 0.5")
    monkeypatch.setattr(cell, "PROGRAM", program)
    monkeypatch.setattr(Zygote, "current", None)
    assert run("time.sleep(300)") == ("unable", "SIGALRM")
    assert Zygote.current
    Zygote.current.end()


@linux
def test_code_in_a_picture_finds_neither_keys_nor_descriptors(taken_over: None) -> None:
    # Python itself sets LC_CTYPE if there is no locale.
    harmless = "assert set(os.environ) <= {'GLIBC_TUNABLES', 'LC_CTYPE'}\n"
    harmless += "assert not {'django', 'config.settings'} & set(sys.modules)\n"
    harmless += CLOSED + "answer = tell_lies()"
    with watch_cells() as cells:
        cell.make_avatar(BytesIO(b"# code\n" + harmless.encode()))
    assert not hasattr(cells[-1], "signal")


@pytest.mark.slow
@linux
def test_cpu_time_that_the_kernel_does_not_count_is_limited_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such code sleeps at the kernel's ticks; here RLIMIT_CPU counts nothing at all."""
    blind = "set_limit = resource.setrlimit; resource.setrlimit = lambda kind, value: "
    blind += "kind == resource.RLIMIT_CPU or set_limit(kind, value); zygote.main()"
    monkeypatch.setattr(cell, "PROGRAM", TAKEN_OVER.replace("zygote.main()", blind))
    monkeypatch.setattr(Zygote, "current", None)
    assert run("while True: pass") == ("heavy", "SIGXCPU")
    assert Zygote.current
    Zygote.current.end()


LIES = {
    "nothing": "b''",
    "noise": "os.urandom(1000)",
    "more than an avatar has": "tell_lies() + b'x'",
    "less than it says": "tell_lies()[:-1]",
    "without an end": "bytes(5_000_000)",
    "a list": "b'\\0\\0\\0\\2[]'",
    "endless nesting": "(3000).to_bytes(4) + b'[' * 3000",
    "no files": "tell_lies(lengths=[])",
    "files of less than nothing": "tell_lies(lengths=[10**6, -1, -1, -1, -1])",
    "files of half a byte": "tell_lies(lengths=[0.5, 0.5, 1, 1, 1])",
    "one file too many": "tell_lies(lengths=[1] * 6)",
    "a page in place of a picture": "tell_lies().replace(b'RIFF', b'<!do')",
    "a name of its own": "tell_lies(source=dict(format='<script>'))",
    "a number that is a word": "tell_lies(source=dict(width='wide'))",
    "yes for a number": "tell_lies(source=dict(width=True))",
    "a picture without width": "tell_lies(source=dict(width=0))",
    "a square larger than the picture": "tell_lies(source=dict(side=9999))",
    "a trace that nobody knows": "tell_lies(source=dict(removed=['shoe size']))",
    "a field that nobody knows": "tell_lies(source=dict(pk=1))",
    "times without end": "tell_lies(timings=dict(decode=1e99, encode=1))",
    "times that are words": "tell_lies(timings=dict(decode='long', encode=1))",
    "a refusal that asks to come again": "tell_lies(refused='busy', facts={})",
    "a sound in place of a picture": "tell_lies().replace(b'WEBP', b'WAVE')",
    "a refusal that nobody knows": "tell_lies(refused='just so', facts={})",
    "a refusal without its figures": "tell_lies(refused='small', facts={})",
    "a refusal with words of its own": "tell_lies(refused='large', "
    "facts=dict(format='Call 555', megapixels=1, limit=1))",
    "a refusal with figures of its own": "tell_lies(refused='broken', facts=dict(limit=1))",
}


@linux
@pytest.mark.parametrize("name", LIES)
def test_an_invalid_answer_is_refused(name: str, taken_over: None) -> None:
    code, signal_name = run(f"answer = {LIES[name]}")
    # A cell that does not end is killed.
    assert (code, signal_name) in [("crashed", "no signal"), ("heavy", "SIGKILL")]


@linux
def test_hostile_code_sees_no_other_picture(taken_over: None) -> None:
    assert run("zygote.images.make_avatar = None; answer = b'x'") == ("crashed", "no signal")
    take()
    # It answers, and waits for the next picture, but is killed before one comes.
    stay = "os.write(3, tell_lies()); os.close(3); time.sleep(300)"
    cell.make_avatar(BytesIO(b"# code\n" + stay.encode()))
    assert Zygote.current
    assert find_children(Zygote.current.process.pid) == []


def start_sleeper(zygote: Zygote) -> int:
    """Open a picture whose code waits for ever; return its cell."""
    with cell.open_in_memory() as picture:
        picture.write(b"# code\ntime.sleep(300)")
        picture.seek(0)
        socket.send_fds(zygote.socket, [b"{}"], [picture.fileno()])
    for _ in range(500):
        if cells := find_children(zygote.process.pid):
            return cells[0]
        time.sleep(0.01)
    raise AssertionError("There is no cell.")


def wait_until_gone(pid: int) -> None:
    for _ in range(1000):
        try:
            if (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                == "Z"
            ):
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.01)
    raise AssertionError("It goes on.")


@linux
def test_a_cell_and_its_zygote_end_with_the_site(lone: Zygote) -> None:
    sleeper = start_sleeper(lone)
    lone.socket.close()  # The kernel does this when a worker has ended.
    wait_until_gone(sleeper)
    assert lone.process.wait(10) == 0


@linux
def test_a_cell_ends_with_its_zygote(lone: Zygote) -> None:
    sleeper = start_sleeper(lone)
    lone.process.kill()
    wait_until_gone(sleeper)


@linux
def test_a_zygote_has_one_thread_and_few_descriptors(lone: Zygote) -> None:
    """A fork of a process with threads copies them in the middle of their work."""
    assert lone.read_features()["filter"] is True
    process = Path(f"/proc/{lone.process.pid}")
    assert len(list((process / "task").iterdir())) == 1
    # The socket, /dev/null, and standard error, where the operator sees errors at the start.
    assert sorted(path.name for path in (process / "fd").iterdir()) == ["0", "1", "2"]
    # The C library modifies the text in place.
    environment = (process / "environ").read_bytes().replace(b"\0", b":").decode()
    assert environment == f"GLIBC_TUNABLES={cell.ENVIRONMENT['GLIBC_TUNABLES']}:"


@linux
@pytest.mark.parametrize(("reference", "seconds"), [(100.0, 2), (0.00001, 8)])
def test_a_slow_machine_gives_a_picture_more_time(
    reference: float, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = f"zygote.REFERENCE_SECONDS = {reference}; zygote.main()"
    monkeypatch.setattr(cell, "PROGRAM", PLAIN.replace("zygote.main()", start))
    zygote = Zygote()
    assert zygote.read_features()["seconds"] == seconds
    zygote.end()


NO_LIBRARY = "sandbox.load_libseccomp = lambda: None; "
NO_FILTER = "sandbox.load_filter = lambda library: 1 / 0; "


@pytest.fixture(params=[NO_LIBRARY, NO_FILTER], ids=["no library", "a kernel that takes none"])
def unfiltered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without a filter."""
    start = request.param + "zygote.main()"
    monkeypatch.setattr(cell, "PROGRAM", PLAIN.replace("zygote.main()", start))
    monkeypatch.setattr(Zygote, "current", None)
    yield
    assert Zygote.current
    Zygote.current.end()


@pytest.mark.slow
@linux
def test_without_a_filter_production_refuses_heic_and_avif(
    as_ada: Client, settings: LazySettings, unfiltered: None
) -> None:
    pictures = [draw_as("HEIC"), draw_as("AVIF"), draw_as("JPEG")]
    answers = [upload_named(as_ada, "me", picture) for picture in pictures]
    assert [answer.status_code for answer in answers] == [400, 400, 201]
    assert "cannot open HEIC and AVIF files safely" in answers[0].json()["errors"]["avatar"][0]
    assert "profiles.E013" in {fault.id for fault in run_checks(None, None, True)}
    settings.DEBUG = True
    answers = [upload_named(as_ada, "me", picture) for picture in pictures]
    assert [answer.status_code for answer in answers] == [201, 201, 201]


@linux
def test_if_no_zygote_can_be_started_the_visitor_is_asked_to_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cell, "PROGRAM", "raise SystemExit(1)")
    monkeypatch.setattr(Zygote, "current", None)
    with pytest.raises(Refused) as caught:
        take()
    assert caught.value.code == "unable"
    assert "profiles.E014" in {fault.id for fault in run_checks(None, None, True)}
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    cell.start()
    with pytest.raises(Refused):
        take()


@linux
def test_a_forked_process_has_a_separate_zygote() -> None:
    """Otherwise parent and child would mix up their pictures."""
    take()
    assert Zygote.current
    ours = Zygote.current.process.pid
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns about threads.
        child = os.fork()
    if child == 0:
        try:
            take()
            assert Zygote.current.process.pid != ours
            Zygote.current.end()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    take()
    assert Zygote.current.process.pid == ours


@linux
def test_every_system_call_has_a_number_on_arm64(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: list[str] = []
    monkeypatch.setattr(sandbox, "make_adder", lambda *_: lambda _, name, *__: names.append(name))
    library = sandbox.load_libseccomp()
    monkeypatch.setattr(library, "seccomp_load", lambda rules: 0)
    sandbox.load_filter(library)
    assert len(names) > 30
    aarch64 = ctypes.c_uint32(0xC00000B7)  # AUDIT_ARCH_AARCH64
    for name in names:
        assert library.seccomp_syscall_resolve_name_arch(aarch64, name.encode()) >= 0


@linux
def test_memory_that_is_only_read_is_limited_as_well(taken_over: None) -> None:
    """No other limit counts the kernel's page tables for it, one for each 2 MB."""
    code = "mmap.mmap(-1, 16 << 30, flags=mmap.MAP_PRIVATE | 32, prot=mmap.PROT_READ)\n"
    code += "answer = tell_lies()"
    assert run(code) == ("crashed", "no signal")


@pytest.mark.parametrize("digits", [30, 4000])
def test_a_square_of_huge_numbers_is_moved_into_the_picture(digits: int, as_ada: Client) -> None:
    numbers = {"crop_x": "9" * digits, "crop_y": "-" + "9" * digits, "crop_size": "9" * digits}
    photo = SimpleUploadedFile("me.jpg", draw_jpeg())
    answer = as_ada.post("/profile/avatar/", {"avatar": photo, **numbers})
    assert answer.status_code == 302


def test_uploads_never_use_more_than_half_of_a_workers_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIKENESS_GUNICORN", "configured")  # The file sets it, for this test alone.
    settings = runpy.run_path(str(ROOT / "config" / "gunicorn.conf.py"))
    assert settings["threads"] == 2 * cell.PLACES
