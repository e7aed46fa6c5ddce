"""What a cell may do: compute, read one file and write one answer. The kernel enforces it.

Through libseccomp, which knows the numbers of the system calls on each processor.
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
# Memory, time, threads and the end. Nothing that opens, sends, starts or kills.
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
    """What holds a cell: the library of the filter, bounds on CPU and memory, and who forked it."""

    seccomp: Any
    seconds: int
    megabytes: int
    parent: int


class Argument(ctypes.Structure):
    """What one argument of a system call must be (libseccomp's `struct scmp_arg_cmp`)."""

    _fields_ = [
        ("position", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("value_or_mask", ctypes.c_uint64),
        ("masked_value", ctypes.c_uint64),
    ]


def load_libseccomp() -> Any:
    """Return the library, or None where there is none, as on macOS."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    return library


def enter(limits: Limits) -> None:
    """Give up, for good, whatever opening a picture does not need."""
    if limits.seccomp:
        libc = ctypes.CDLL(None)
        # The kernel ends a cell with the process that forked it, unless that has ended already.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != limits.parent:
            raise SystemExit
        # What is in its memory is nobody else's, and a collector of crashes gets none of it.
        libc.prctl(PR_SET_DUMPABLE, 0)
    size = limits.megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    # Tables of pages that are only read count nowhere else.
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES))
    # At the first limit SIGXCPU, which says why; at the second SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.seccomp:
        load_filter(limits.seccomp)


def load_filter(library: Any) -> None:
    """Let the kernel end this process at any system call that is not allowed."""
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(KILL_PROCESS)))
    # Those of another processor's kind as well (32 bits), which libseccomp lets end a thread.
    library.seccomp_attr_set(rules, ACT_BADARCH, ctypes.c_uint32(KILL_PROCESS))
    add = make_adder(library, rules)
    for name in ALLOWED:
        add(ALLOW, name)
    add(ALLOW, "write", (0, EQUAL, ANSWER))
    for closed in (1, 2):  # Where decoders write their warnings.
        add(ERRNO | errno.EBADF, "write", (0, EQUAL, closed))
    # Python asks for the size of a file, and does without. newfstatat takes paths as well.
    for name in ("fstat", "newfstatat"):
        add(ERRNO | errno.ENOSYS, name)
    # Memory of no file, of the kinds that RLIMIT_DATA counts, and none for new code to run in.
    counted = (3, MASKED_EQUAL, MAP_SHARED | MAP_GROWSDOWN, 0)
    no_file = (4, MASKED_EQUAL, NO_FILE, NO_FILE)
    add(ALLOW, "mmap", (2, MASKED_EQUAL, PROT_EXEC, 0), counted, no_file)
    # Nor may it become what is not counted: what was written and is then only read, or a stack
    # that grows. Allocators do without.
    add(ALLOW, "mprotect", (2, MASKED_EQUAL, PROT_EXEC | PROT_WRITE, PROT_WRITE))
    add(ERRNO | errno.EACCES, "mprotect", (2, MASKED_EQUAL, PROT_EXEC | PROT_WRITE, 0))
    add(ERRNO | errno.ENOMEM, "mremap")
    # Threads, but no processes. A filter cannot look at clone3's arguments; libc then uses clone.
    add(ALLOW, "clone", (0, MASKED_EQUAL, CLONE_THREAD, CLONE_THREAD))
    add(ERRNO | errno.ENOSYS, "clone3")
    add(ALLOW, "tgkill", (0, EQUAL, os.getpid()))
    add(ALLOW, "prctl", (0, EQUAL, PR_SET_NAME))
    add(ALLOW, "prlimit64", (0, EQUAL, 0), (2, EQUAL, 0))  # Only to ask for one's own.
    if library.seccomp_load(rules):
        raise OSError("The kernel does not take the filter.")


def make_adder(library: Any, rules: ctypes.c_void_p) -> Callable[..., None]:
    """Return a function that adds a rule: action, system call, and what its arguments must be."""

    def add(action: int, name: str, *arguments: tuple[int, ...]) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        array = (Argument * len(arguments))(*(Argument(*argument) for argument in arguments))
        if library.seccomp_rule_add_array(
            rules, ctypes.c_uint32(action), number, len(arguments), array
        ):
            raise OSError(f"libseccomp takes no rule for {name}.")

    return add
