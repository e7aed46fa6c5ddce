"""Limit a cell to computing, reading one file and writing one answer. The kernel enforces it.

The filter is built with libseccomp, which knows the system call numbers of each architecture.
"""

import ctypes
import errno
import os
import resource
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_ADDRESSES = 4 << 30
# The descriptors of a cell.
PICTURE, ANSWER = 0, 3
# Memory, time, threads and exit. Nothing that opens, sends, starts or kills.
ALLOWED = """
    read pread64 lseek close
    brk munmap madvise
    futex set_robust_list rseq sched_yield sched_getaffinity getpid gettid
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
    clock_gettime clock_nanosleep getrandom restart_syscall
    exit exit_group
""".split()
# From seccomp.h, prctl.h, mman.h and sched.h of Linux and libseccomp.
KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
EQUAL, MASKED_EQUAL, ACT_BADARCH = 4, 7, 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME = 1, 4, 15
PROT_WRITE, PROT_EXEC, MAP_SHARED, MAP_GROWSDOWN, CLONE_THREAD = 2, 4, 1, 0x100, 0x10000
NO_FILE = 0xFFFFFFFF  # −1 in an argument of 32 bits


class Limits(NamedTuple):
    """The limits of a cell: the filter's library, CPU, memory, and the process that forked it."""

    seccomp: Any
    seconds: int
    megabytes: int
    parent: int


class Argument(ctypes.Structure):
    """A condition on one argument of a system call (libseccomp's `struct scmp_arg_cmp`)."""

    _fields_ = [
        ("position", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("value_or_mask", ctypes.c_uint64),
        ("masked_value", ctypes.c_uint64),
    ]


def load_libseccomp() -> Any:
    """Return the library, or None if there is none, as on macOS."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    return library


def enter(limits: Limits) -> None:
    """Give up permanently everything that opening a picture does not need."""
    if limits.seccomp:
        libc = ctypes.CDLL(None)
        # Kill this cell when its zygote ends, unless the zygote has ended already.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != limits.parent:
            raise SystemExit
        # Hide its memory from other processes and from crash reports.
        libc.prctl(PR_SET_DUMPABLE, 0)
    size = limits.megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    # No other limit counts the page tables of memory that is only read.
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES))
    # At the first limit SIGXCPU, which shows the cause; at the second SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.seccomp:
        load_filter(limits.seccomp)


def load_filter(library: Any) -> None:
    """Let the kernel kill this process at any system call that is not allowed."""
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(KILL_PROCESS)))
    # Also for system calls of another architecture (32 bits): libseccomp would kill only a thread.
    library.seccomp_attr_set(rules, ACT_BADARCH, ctypes.c_uint32(KILL_PROCESS))
    add = make_adder(library, rules)
    for name in ALLOWED:
        add(ALLOW, name)
    add(ALLOW, "write", (0, EQUAL, ANSWER))
    for closed in (1, 2):  # Decoders write warnings there.
        add(ERRNO | errno.EBADF, "write", (0, EQUAL, closed))
    # Python asks for the file's size, but works without. newfstatat also accepts paths.
    for name in ("fstat", "newfstatat"):
        add(ERRNO | errno.ENOSYS, name)
    # Only memory without a file, counted by RLIMIT_DATA, and not executable.
    counted = (3, MASKED_EQUAL, MAP_SHARED | MAP_GROWSDOWN, 0)
    no_file = (4, MASKED_EQUAL, NO_FILE, NO_FILE)
    add(ALLOW, "mmap", (2, MASKED_EQUAL, PROT_EXEC, 0), counted, no_file)
    # Memory must not become uncounted later: read-only after it was written, or a growing stack.
    # Allocators work without these.
    add(ALLOW, "mprotect", (2, MASKED_EQUAL, PROT_EXEC | PROT_WRITE, PROT_WRITE))
    add(ERRNO | errno.EACCES, "mprotect", (2, MASKED_EQUAL, PROT_EXEC | PROT_WRITE, 0))
    add(ERRNO | errno.ENOMEM, "mremap")
    # Threads, but no processes. A filter cannot check clone3's arguments; libc then uses clone.
    add(ALLOW, "clone", (0, MASKED_EQUAL, CLONE_THREAD, CLONE_THREAD))
    add(ERRNO | errno.ENOSYS, "clone3")
    add(ALLOW, "tgkill", (0, EQUAL, os.getpid()))
    add(ALLOW, "prctl", (0, EQUAL, PR_SET_NAME))
    add(ALLOW, "prlimit64", (0, EQUAL, 0), (2, EQUAL, 0))  # Only to read its own limits.
    if library.seccomp_load(rules):
        raise OSError("The kernel rejects the filter.")


def make_adder(library: Any, rules: ctypes.c_void_p) -> Callable[..., None]:
    """Return a function that adds a rule: action, system call, conditions on its arguments."""

    def add(action: int, name: str, *arguments: tuple[int, ...]) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        array = (Argument * len(arguments))(*(Argument(*argument) for argument in arguments))
        if library.seccomp_rule_add_array(
            rules, ctypes.c_uint32(action), number, len(arguments), array
        ):
            raise OSError(f"libseccomp rejects the rule for {name}.")

    return add
