"""The units of systemd, set up by the manual's commands on a machine that is booted for this."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.helpers.servers import ROOT, find, find_port, wait_until

from .machine import CAN_BOOT, Machine, boot
from .visitors import PASSWORD, Visitor, draw_photo, found

UNITS = ROOT / "deploy/systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
CHORES = ["likeness-tidy", "likeness-audit", "likeness-backup", "likeness-clearsessions"]
HEADING = "## Stage 1 without a container\n"
NGINX_HEADING = "#### Without Docker, in Debian's own nginx\n"
# A repository whose tag is the commit that is tested; and instead of waiting for the package index,
# the packages that are installed here.
SOURCE = """
export PIP_NO_INDEX=1
git clone --quiet --bare --no-hardlinks /source /origin
git -C /origin tag --force {version} HEAD
git clone --quiet /origin /clone
cat > /usr/local/sbin/python3 <<"END"
#!/bin/sh -e
test "$2" != venv || set -- -m venv --without-pip "$3"
/opt/python/bin/python3 "$@"
test "$2" != venv || echo /packages > "$(echo "$4"/lib/python3*/site-packages)/here.pth"
END
chmod a+x /usr/local/sbin/python3
cd /clone
"""
SETTINGS = """
sed -i 's/=likeness.example$/=127.0.0.1/; s/^EMAIL_URL=.*/EMAIL_URL=dummymail:/' /etc/likeness.env
echo DJANGO_HTTPS=off >> /etc/likeness.env
"""
TEST_ONLY = """
mkdir -p /etc/systemd/system/likeness.socket.d
printf '[Socket]\\nListenStream=\\nListenStream=127.0.0.1:{port}\\n' \\
    > /etc/systemd/system/likeness.socket.d/test.conf
for folder in /etc/systemd/system/likeness{{,-}}.service.d; do
    printf '[Service]\\nStandardOutput=append:/run/log.txt\\n' > $folder/test.conf
done
"""
AUDIT = "/etc/systemd/system/likeness-audit.service.d"
KILLED_ONCE = f"""
mkdir -p {AUDIT}
cat > {AUDIT}/test.conf <<"END"
[Service]
RestartSec=0
ExecStart=
ExecStart=sh -c "echo begun >> audits; grep -c begun audits | grep -q 2 || kill -KILL $$$$"
WorkingDirectory=/var/lib/likeness
END
systemctl daemon-reload
"""
needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="Install systemd, and be root."
)
needs_machine = pytest.mark.skipif(not CAN_BOOT, reason="Install systemd, and be root.")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, int]]:
    """A machine with the site, set up as documented; and the port of the site."""
    port = find_port()
    section = (ROOT / "docs/deploying.md").read_text().split(HEADING)[1].split("\n## ")[0]
    install, start = re.findall(r"```sh\n(.*?)```", section, re.S)[:2]
    before, enable = start.split("systemctl enable")
    source = SOURCE.format(version=find(r"(?<=upgrade.sh )\S+", start))
    with boot(tmp_path_factory.mktemp("machine")) as machine:
        own = TEST_ONLY.format(port=port)
        try:
            machine.run(f"{source}{install}{SETTINGS}{before}{own}systemctl enable{enable}")
            yield machine, port
        finally:
            print(machine.run("systemctl list-units --no-pager 'likeness*'; cat /run/log.txt"))


@needs_systemd
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_few_rights(service: str, tmp_path: Path) -> None:
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    command = ["systemd-analyze", "security", "--offline=yes", f"--root={tmp_path}"]
    done = subprocess.run([*command, "--threshold=25", service], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@needs_machine
def test_systemd_finds_no_fault_in_the_units(site: tuple[Machine, int]) -> None:
    machine, _ = site
    names = [path.name for path in UNITS.glob("likeness*.*") if path.is_file()]
    assert machine.run(f"cd /etc/systemd/system; systemd-analyze verify {' '.join(names)}") == ""


@needs_machine
def test_a_member_uploads_a_picture_and_the_chores_find_it(site: tuple[Machine, int]) -> None:
    machine, port = site
    ada = Visitor(f"http://127.0.0.1:{port}")
    account = {"username": "ada", "email": "ada@example.com"}
    ada.send("/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD)
    ada.upload("/profile/avatar/", "avatar", draw_photo())
    ada.get(found(r'src="(/media/protected/[^"]+\.webp)"', ada.page("/profiles/ada/")))
    machine.run(f"systemctl start {' '.join(CHORES)}")
    assert "5 files, 0 orphans found." in machine.run("cat /run/log.txt")
    assert machine.run("ls /var/lib/likeness-backup/*/db.sqlite3")
    timers = " ".join(f"{chore}.timer" for chore in CHORES)
    assert machine.run(f"systemctl is-active {timers}").split() == ["active"] * len(CHORES)


@needs_machine
def test_the_site_can_change_nothing_but_its_data(site: tuple[Machine, int]) -> None:
    machine, _ = site
    status = machine.run("cat /proc/$(systemctl show --property MainPID --value likeness)/status")
    assert re.search(r"NoNewPrivs:\s1\nSeccomp:\s2\n", status)
    assert re.search(r"CapBnd:\s0+\n", status)
    assert not re.search(r"Uid:.*\b0\b", status)
    inside = "nsenter --mount --root --target $(systemctl show --property MainPID --value likeness)"
    for path in ("/srv/likeness/current/", "/etc/", "/var/lib/"):
        assert "Read-only file system" in machine.try_to_run(f"{inside} touch {path}x").stdout
    # Nobody else on the machine reads the people.
    assert machine.run("stat --format %U:%a /var/lib/likeness") == "likeness:700"
    assert machine.run("stat --format %U:%a /etc/likeness.env") == "root:640"


@needs_machine
def test_nobody_is_refused_while_the_site_restarts_or_is_killed(site: tuple[Machine, int]) -> None:
    machine, port = site
    is_over = Event()

    def visit() -> int:
        visitor = Visitor(f"http://127.0.0.1:{port}")
        visits = 0
        while not is_over.is_set():
            visitor.page("/profiles/")  # Raises for any error.
            visits += 1
        return visits

    def find_process() -> str:
        return machine.run("systemctl show --property MainPID --value likeness")

    with ThreadPoolExecutor(4) as pool:
        visits = [pool.submit(visit) for _ in range(4)]
        try:
            machine.run("systemctl restart likeness")
            machine.run("systemctl reload likeness")
        finally:
            is_over.set()
        assert all(each.result() for each in visits)
    before = find_process()
    machine.run(f"kill -KILL {before}")
    wait_until(lambda: find_process() not in ("0", before))
    assert Visitor(f"http://127.0.0.1:{port}").page("/profiles/")


@needs_machine
def test_an_audit_that_is_killed_is_started_again(site: tuple[Machine, int]) -> None:
    machine, _ = site
    machine.run(KILLED_ONCE)
    assert machine.try_to_run("systemctl start likeness-audit").returncode
    wait_until(lambda: machine.run("cat /var/lib/likeness/audits").split() == ["begun"] * 2)
    machine.run(f"rm -r {AUDIT} /var/lib/likeness/audits; systemctl daemon-reload")


@needs_machine
def test_only_nginx_reaches_the_socket_that_it_is_given(site: tuple[Machine, int]) -> None:
    """Last, since the site is then no longer reached by its port."""
    machine, _ = site
    section = (ROOT / "docs/deploying.md").read_text("utf-8").split(NGINX_HEADING)[1]
    machine.run("rm /etc/systemd/system/likeness.socket.d/test.conf")
    machine.run(find("(?<=```sh\n)[^`]+", section))
    socket = "/run/likeness/gunicorn.sock"
    assert machine.run(f"stat --format %G:%a {socket}") == "www-data:660"
    ask = f"curl --silent --unix-socket {socket} http://127.0.0.1/healthz"
    assert machine.run(ask).startswith("ok")
    assert machine.run("stat --format %U:%G:%a /data") == "likeness:www-data:750"
    assert machine.try_to_run(f"setpriv --reuid nobody --clear-groups {ask}").stdout == ""
