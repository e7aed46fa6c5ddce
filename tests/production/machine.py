"""A machine that systemd boots: this one's files below a layer in memory, on this one's network."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.servers import ROOT, wait_until

# Python is bound to a folder that every user can read; its library may be there, too.
VARIABLES = {
    "LD_LIBRARY_PATH": "/opt/python/lib",
    "PATH": "/usr/local/sbin:/opt/python/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_UNIT_PATH": "/etc/systemd/system",
}
SYSTEMD = Path("/lib/systemd/systemd")
CAN_BOOT = os.geteuid() == 0 and SYSTEMD.exists() and shutil.which("unshare")
BOOT = """
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1"/{upper,work,root}
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount --rbind /dev dev
mkdir -p source packages opt/python
mount --bind "$2" source
mount --bind "$3" packages
mount --bind "$4" opt/python
# Nothing of this machine's own is started.
rm -rf etc/systemd/system etc/systemd/user
mkdir etc/systemd/system
for target in basic exit multi-user network-online shutdown sockets sysinit timers; do
    printf '[Unit]\\nDefaultDependencies=no\\n' > "etc/systemd/system/$target.target"
done
exec env --ignore-environment PATH=/usr/sbin:/usr/bin \\
    container=test SYSTEMD_UNIT_PATH=/etc/systemd/system \\
    chroot . /lib/systemd/systemd --system --unit=multi-user.target --log-target=null
"""


@dataclass
class Machine:
    """A machine that runs: the process id of its systemd, seen from here."""

    init: int

    def try_to_run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run shell commands as its root, in a copy of the source."""
        spaces = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root"]
        place = [f"--target={self.init}", f"--wd=/proc/{self.init}/root/source"]
        return subprocess.run(
            ["nsenter", *place, *spaces, "bash", "-euo", "pipefail", "-c", script],
            env=VARIABLES,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    def run(self, script: str) -> str:
        """Run shell commands, which must succeed; return what they print."""
        done = self.try_to_run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout.strip()


@contextmanager
def boot(folder: Path) -> Iterator[Machine]:
    """Boot a machine in namespaces of its own; the installed packages are in its /packages."""
    packages = sysconfig.get_path("purelib")
    spaces = ["--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup"]
    shell = ["bash", "-euc", BOOT, "boot", str(folder), str(ROOT), packages, sys.base_prefix]
    process = subprocess.Popen(["unshare", *spaces, *shell], stdout=subprocess.DEVNULL)
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: bool(children.read_text("ascii").strip()))
        machine = Machine(int(children.read_text("ascii")))
        # For the units, too.
        know = "systemctl import-environment LD_LIBRARY_PATH"
        wait_until(lambda: machine.try_to_run(know).returncode == 0)
        yield machine
    finally:
        process.kill()
        process.wait()
