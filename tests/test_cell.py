"""A picture that makes a decoder run its code finds itself in a process that may only compute."""

import sys
import time
from collections.abc import Iterator
from io import BytesIO

import pytest

from profiles.pictures import cell
from profiles.pictures.cell import Zygote
from profiles.pictures.limits import Refused
from profiles.pictures.names import ENDINGS

from .cells import find_children, watch_cells
from .pictures import draw_jpeg

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has the filter.")
PACKAGE = "profiles.pictures"
# In place of a decoder that an attacker has got hold of: a "picture" that is a program is run.
TAKEN_OVER = """
import sys; sys.path[:] = {path!r}
import ctypes, io, json, mmap, os, resource, signal, socket, subprocess, threading, time
from {package} import sandbox, zygote
open_honestly = zygote.make_answer

def make_answer(file, request, has_filter):
    code = file.peek()
    if not code.startswith(b"# code"):
        return open_honestly(file, request, has_filter)
    names = globals() | dict(request=request, answer=b"")
    exec(code, names)
    return names["answer"]

def tell_lies(**lies):
    picture = io.BytesIO()
    zygote.Image.linear_gradient("L").save(picture, "JPEG")
    honest = open_honestly(picture, dict(crop=dict()), True)
    start = 4 + int.from_bytes(honest[:4])
    head = json.loads(honest[4:start])
    head["source"] |= lies.pop("source", dict())
    text = json.dumps(head | lies).encode()
    return len(text).to_bytes(4) + text + honest[start:]

zygote.make_answer = make_answer
zygote.main()
"""


@pytest.fixture(scope="module")
def corrupt() -> Iterator[Zygote]:
    """A zygote whose cells run the code that a picture consists of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell, "PROGRAM", TAKEN_OVER)
        zygote = Zygote()
    yield zygote
    zygote.end()


@pytest.fixture
def taken_over(corrupt: Zygote, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pictures be opened there; the zygote outlives whatever its cells do."""
    monkeypatch.setattr(Zygote, "current", corrupt)
    yield
    take()
    assert Zygote.current is corrupt


def run(code: str) -> tuple[str, str]:
    """Run code in a cell; return why the picture is refused, and which signal ended the cell."""
    with watch_cells() as cells, pytest.raises(Refused) as caught:
        cell.make_avatar(BytesIO(b"# code\n" + code.encode()))
    return caught.value.code, getattr(cells[-1], "signal", "")


def take(data: bytes = draw_jpeg()) -> None:
    """Make an avatar, as for the next person who uploads a picture."""
    assert list(cell.make_avatar(BytesIO(data)).files) == ENDINGS


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
    "makes memory that can be run": "mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC | mmap.PROT_READ)",
    "maps the picture": "mmap.mmap(0, 4096, prot=mmap.PROT_READ)",
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
def test_code_in_a_picture_ends_with_its_first_step_outside(name: str, taken_over: None) -> None:
    assert run(FORBIDDEN[name]) == ("crashed", "SIGSYS")


@linux
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("while True: pass", ("heavy", "SIGXCPU")),
        ("signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", ("heavy", "SIGKILL")),
        ("ctypes.string_at(0)", ("crashed", "SIGSEGV")),
        ("os.abort()", ("crashed", "SIGABRT")),
        ("os._exit(0)", ("crashed", "no signal")),
        ("os.stat('/etc/passwd')", ("crashed", "no signal")),
        ("bytearray(2 << 30)", ("crashed", "no signal")),
    ],
)
def test_code_in_a_picture_gets_no_more_than_its_share(
    code: str, expected: tuple[str, str], taken_over: None
) -> None:
    assert run(code) == expected


@linux
def test_code_that_waits_is_ended_by_the_clock(taken_over: None) -> None:
    started = time.monotonic()
    assert run("time.sleep(300)") == ("busy", "SIGALRM")
    assert time.monotonic() - started < cell.MAX_WAIT_SECONDS


@linux
def test_code_in_a_picture_finds_neither_keys_nor_descriptors(taken_over: None) -> None:
    # Python sets LC_CTYPE itself where there is no locale.
    harmless = "assert set(os.environ) <= {'GLIBC_TUNABLES', 'LC_CTYPE'}\n"
    harmless += "assert not {'django', 'config.settings'} & set(sys.modules)\nanswer = tell_lies()"
    with watch_cells() as cells:
        cell.make_avatar(BytesIO(b"# code\n" + harmless.encode()))
    assert not hasattr(cells[-1], "signal")
    for descriptor in range(1, 64):
        if descriptor != 3:
            assert run(f"os.lseek({descriptor}, 0, 0)") == ("crashed", "no signal")


LIES = {
    "nothing": "b''",
    "noise": "os.urandom(1000)",
    "more than an avatar has": "tell_lies() + b'x'",
    "less than it says": "tell_lies()[:-1]",
    "without an end": "bytes(5_000_000)",
    "a list": "b'\\0\\0\\0\\2[]'",
    "endless nesting": "(3000).to_bytes(4) + b'[' * 3000",
    "no files": "tell_lies(sizes=[])",
    "files of less than nothing": "tell_lies(sizes=[10**6, -1, -1, -1, -1])",
    "files of half a byte": "tell_lies(sizes=[0.5, 0.5, 1, 1, 1])",
    "one file too many": "tell_lies(sizes=[1] * 6)",
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
    "a refusal that nobody knows": "tell_lies(refused='just so', facts={})",
    "a refusal without its figures": "tell_lies(refused='small', facts={})",
    "a refusal with words of its own": "tell_lies(refused='large', "
    "facts=dict(format='Call 555', megapixels=1, limit=1))",
    "a refusal with figures of its own": "tell_lies(refused='broken', facts=dict(limit=1))",
}


@linux
@pytest.mark.parametrize("name", LIES)
def test_an_answer_that_no_honest_cell_gives_is_not_believed(name: str, taken_over: None) -> None:
    code, signal_name = run(f"answer = {LIES[name]}")
    # One that does not end is ended.
    assert (code, signal_name) in [("crashed", "no signal"), ("heavy", "SIGKILL")]


@linux
def test_a_cell_that_was_taken_over_sees_no_other_picture(taken_over: None) -> None:
    assert run("zygote.images.make_avatar = None; answer = b'x'") == ("crashed", "no signal")
    take()
    # It answers, and stays to look at what comes next: it is ended before anything does.
    stay = "os.write(3, tell_lies()); os.close(3); time.sleep(300)"
    cell.make_avatar(BytesIO(b"# code\n" + stay.encode()))
    assert Zygote.current
    assert find_children(Zygote.current.process.pid) == []
