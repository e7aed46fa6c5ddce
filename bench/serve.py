"""Measure what the site serves: files by gunicorn and by nginx, and pages of small and big sites.

Each is loaded by eight connections for some seconds; all take turns, so that a busy machine affects
all equally. Prints Markdown; writes serve.csv and serve.svg.
"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from math import isnan
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from tests.helpers.cells import find_children
from tests.helpers.servers import GUNICORN, find_port, get, manage, upload, wait_for
from tests.helpers.servers import serve as run
from tests.production import databases, front

from . import inputs, measure
from .avatars import RESULTS
from .chart import draw_bars
from .load import CONNECTIONS, Sample, ask_once, find_missing, load
from .uploads import Site, serve

WORKERS, SECONDS = 2, 2
PEOPLE = (1_000, 100_000, 1_000_000)
DATABASES = ("SQLite", "PostgreSQL")
FACTS = """
import json
from django.contrib.auth.models import AnonymousUser
from profiles.models import Profile, User
from profiles.search.pages import Place, encode_cursor
half = {people} // 2
member, public = (User.objects.get(username=f"member-{{number}}").profile for number in (0, 1))
public.change(visibility="public")
people = Profile.objects.visible_to(AnonymousUser()).filter(pk__lt=half)
print(json.dumps({{
    "middle": encode_cursor(Place(0, half)),
    "last": encode_cursor(Place(0, 30)),
    "person": people.order_by("-pk")[0].user.username,
    "protected": member.avatar.url,
    "public": public.avatar.url,
}}))
"""
SEARCHES = {
    "a common word": "garcia",
    "two words": "maria garcia",
    "no one": "xqxqxq",
    "王伟": "王伟",
    "🦕": "🦕",
    "%": "%",
}
NGINX = """
daemon off; pid {folder}/alone.pid; error_log stderr emerg; worker_processes auto;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; gzip_static on; types {{ text/css css; }}
    client_body_temp_path {folder}/alone-1; proxy_temp_path {folder}/alone-2;
    fastcgi_temp_path {folder}/alone-3; uwsgi_temp_path {folder}/alone-4;
    scgi_temp_path {folder}/alone-5;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 204; }}
        location = /healthz {{ return 200; }}
        location /static/ {{ alias {folder}/staticfiles/; expires max; }}
    }}
}}
"""


@dataclass
class Contestant:
    """An address, and the processes that serve it."""

    what: str
    by: str
    url: str
    roots: list[int]
    people: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def take_turn(self, seconds: float) -> None:
        """Measure once; a page that is too slow for a load is only requested twice."""
        ask_once(self.url, self.roots, self.headers)  # Fills caches, connects to the database.
        sample = ask_once(self.url, self.roots, self.headers)
        if sample.cpu < seconds * 1000 / CONNECTIONS:
            sample = load(self.url, self.roots, self.headers, seconds)
        self.samples.append(sample)

    @property
    def result(self) -> Sample:
        return Sample(*map(median, zip(*self.samples, strict=True)))


@dataclass
class Directory:
    """A site with many people on one of the databases."""

    database: str
    people: int
    site: Site
    folder: Path
    roots: list[int]

    def __post_init__(self) -> None:
        """Upload the pictures of two members, one for everybody; learn the addresses."""
        photo = inputs.make_inputs()[inputs.MAIN].read_bytes()
        for session in self.site.sessions:
            if (status := upload(self.site.port, session, photo)) != 201:
                sys.exit(f"The upload was answered {status}.")
        code = FACTS.format(people=self.people)
        done = manage(self.site.environment, "shell", "--no-imports", "-c", code)
        done.check_returncode()
        self.facts: dict[str, str] = json.loads(done.stdout)

    def list_pages(self) -> Iterator[Contestant]:
        pages = {
            "home": "/",
            "the list": "/profiles/",
            "its middle": "/profiles/?" + urlencode({"after": self.facts["middle"]}),
            "its end": "/profiles/?" + urlencode({"after": self.facts["last"]}),
            "a person": f"/profiles/{self.facts['person']}/",
        }
        for name, query in {"a rare word": self.facts["person"], **SEARCHES}.items():
            pages[f"search: {name}"] = "/profiles/?" + urlencode({"q": query})
        for what, path in pages.items():
            url = f"http://127.0.0.1:{self.site.port}{path}"
            yield Contestant(what, self.database, url, self.roots, self.people)

    def list_files(self, by: str, port: int, roots: list[int]) -> Iterator[Contestant]:
        _, page = get(self.site.port, "/")
        [stylesheet] = re.findall(r'"(/static/css/site\.\w+\.css)"', page.decode())
        cookie = {"Cookie": f"sessionid={self.site.sessions[0]}"}
        for what, path, headers in (
            ("stylesheet", stylesheet, {"Accept-Encoding": "gzip"}),
            ("public picture", self.facts["public"], {}),
            ("protected picture", self.facts["protected"], cookie),
        ):
            yield Contestant(what, by, f"http://127.0.0.1:{port}{path}", roots, headers=headers)


def main() -> None:
    """Measure everything in rounds; print tables, write the CSV and the chart."""
    arguments = measure.parse_arguments()
    rounds, people = (1, PEOPLE[:1]) if arguments.quick else (arguments.rounds, PEOPLE)
    seconds = 1 if arguments.quick else SECONDS
    if missing := find_missing() or find_missing_servers():
        print(f"\nbench.serve is skipped. {missing}")
        return
    with ExitStack() as stack:
        contestants = list(start_all(stack, people))
        for turn in range(rounds):
            for number, contestant in enumerate(contestants, 1):
                progress = f"serve: round {turn + 1}, {number} of {len(contestants)}"
                print(f"\r{progress:60}", end="", file=sys.stderr)
                contestant.take_turn(seconds)
    print(f"\r{'':60}\r", end="", file=sys.stderr)
    print(f"\n### Files, median of {rounds} rounds\n")
    print_files([each for each in contestants if not each.people])
    for database in DATABASES:
        pages = [each for each in contestants if each.people and each.by == database]
        print(f"\n### Pages on {database}, median of {rounds} rounds\n")
        print_pages(pages, people)
    if not arguments.quick:
        write_results(contestants)


def find_missing_servers() -> str:
    """Return what has to be installed first."""
    if not databases.BIN:
        return "Install Debian's package postgresql."
    return "" if front.NGINX else "Install Debian's package nginx."


def start_all(stack: ExitStack, people: tuple[int, ...]) -> Iterator[Contestant]:
    """Start all servers; yield what they serve."""
    postgres = stack.enter_context(databases.run_postgres())
    folders = (Path(stack.enter_context(TemporaryDirectory())) for _ in iter(int, 1))
    small = stack.enter_context(run_directory(next(folders), "SQLite", people[0], ""))
    yield from start_others(stack, small)
    yield from small.list_files("gunicorn", small.site.port, small.roots)
    fronted = stack.enter_context(
        run_directory(next(folders), "SQLite", people[0], "", MEDIA_DELIVERY="nginx")
    )
    nginx = stack.enter_context(front.serve(fronted.folder))
    pid = int((fronted.folder / "tmp/nginx.pid").read_text("ascii"))
    yield from fronted.list_files("nginx", nginx.port, [pid, *fronted.roots])
    yield from small.list_pages()
    for database, count in list(product(DATABASES, people))[1:]:
        url = postgres.make_owned(f"people_{count}") if database == "PostgreSQL" else ""
        directory = run_directory(next(folders), database, count, url)
        directory = stack.enter_context(directory)
        if url:
            master = (postgres.folder / "data/postmaster.pid").read_text("utf-8").split()[0]
            directory.roots.append(int(master))
        yield from directory.list_pages()


@contextmanager
def run_directory(
    folder: Path, database: str, people: int, url: str, *options: str, **variables: str
) -> Iterator[Directory]:
    """Run a site with so many people until the block ends; `options` are for gunicorn."""
    print(f"\r{f'serve: {people:,} people on {database}':60}", end="", file=sys.stderr)
    variables["DJANGO_THROTTLE_SEARCH"] = "0"
    if url:
        variables["DATABASE_URL"] = url
    files = (f"--bind=unix:{folder}/gunicorn.sock", f"--pid={folder}/gunicorn.pid")
    with serve(folder, 2, WORKERS, *files, *options, people=people, **variables) as site:
        master = int((folder / "gunicorn.pid").read_text("ascii"))
        yield Directory(database, people, site, folder, [master])


def start_others(stack: ExitStack, directory: Directory) -> Iterator[Contestant]:
    """Start what the site is measured against, with the same gunicorn or alone."""
    folder, environment = directory.folder, directory.site.environment
    [stylesheet, *_] = directory.list_files("", 0, [])
    path = stylesheet.url.partition(":0")[2]
    for what, application, address in (
        ("an empty Django view", "view", "/"),
        ("stylesheet", "whitenoise", path),
    ):
        pid = folder / f"{application}.pid"
        command = [*GUNICORN[:-1], f"--pid={pid}", f"bench.bare:{application}"]
        port = stack.enter_context(run(environment, *command))
        by = "WhiteNoise alone" if application == "whitenoise" else "gunicorn"
        roots = find_children(int(pid.read_text("ascii")))
        url = f"http://127.0.0.1:{port}{address}"
        yield Contestant(what, by, url, roots, headers=stylesheet.headers)
    port = find_port()
    configuration = folder / "alone.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port), "utf-8")
    process = subprocess.Popen([front.NGINX, "-e", "stderr", "-c", str(configuration), *front.USER])
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    wait_for(process, port)
    url = f"http://127.0.0.1:{port}{path}"
    yield Contestant("stylesheet", "nginx alone", url, [process.pid], headers=stylesheet.headers)


def print_files(contestants: list[Contestant]) -> None:
    print("| | by | CPU ms | requests/s | p99 ms |\n|---|---|--:|--:|--:|")
    for each in contestants:
        cpu, rate, p99 = each.result
        print(f"| {each.what} | {each.by} | {cpu:.2f} | {rate:,.0f} | {p99:.1f} |")


def print_pages(contestants: list[Contestant], people: tuple[int, ...]) -> None:
    """Print a line for each page, with a column for each number of people and figure."""
    titles = ("CPU ms", "requests/s", "p99 ms")
    columns = [f"{title}, {count:,}" for title, count in product(titles, people)]
    print(f"| | {' | '.join(columns)} |\n|---{'|--:' * len(columns)}|")
    for what in dict.fromkeys(each.what for each in contestants):
        results = [each.result for each in contestants if each.what == what]
        figures = [result[place] for place in range(3) for result in results]
        print(f"| {what} | {' | '.join(map(show, figures))} |")


def show(figure: float) -> str:
    return "–" if isnan(figure) else f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}"


def write_results(contestants: list[Contestant]) -> None:
    """Write all figures as CSV, and the pages' CPU among the most people as a chart."""
    with (RESULTS / "serve.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["what", "by", "people", "cpu_ms", "requests_per_second", "p99_ms"])
        for each in contestants:
            figures = ("" if isnan(figure) else f"{figure:.2f}" for figure in each.result)
            writer.writerow([each.what, each.by, each.people or "", *figures])
    few, many = PEOPLE[0], PEOPLE[-1]
    cpu = {(each.what, each.by, each.people): each.result.cpu for each in contestants}
    pages = dict.fromkeys(each.what for each in contestants if each.people)
    bars = [
        (
            what if by == DATABASES[0] else "",
            cpu[what, by, many],
            f"{by}; {cpu[what, by, few]:.1f} among {few:,}",
        )
        for what, by in product(pages, DATABASES)
    ]
    title = f"CPU milliseconds for a page among {many:,} people"
    draw_bars(RESULTS / "serve.svg", title, bars, digits=1, group=len(DATABASES))


if __name__ == "__main__":
    main()
