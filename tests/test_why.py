"""`manage.py why` in the smallest example and in a blank project, broken as people break them."""

import ast
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .helpers.servers import ROOT, find_port
from .test_smallest import EXAMPLE, environment, manage, serve

pytestmark = pytest.mark.slow

COMMAND = ROOT / "profiles/management/commands/why.py"
CSS, PICTURE = "people/style.css", "avatars/me.jpg"
SOURCE = f"people/static/{CSS}"
ADD_PICTURE = f"""
from django.contrib.auth.models import User
from people.models import Profile
Profile.objects.create(user=User.objects.create(username="ada"), avatar={PICTURE!r})
"""


def add_command(app: Path) -> None:
    (app / "management/commands").mkdir(parents=True)
    shutil.copy(COMMAND, app / "management/commands")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest example with the command, a member and her picture."""
    project = tmp_path_factory.mktemp("whole")
    shutil.copytree(EXAMPLE, project, dirs_exist_ok=True)
    add_command(project / "people")
    manage(project, "migrate", "--run-syncdb", "--verbosity=0")
    manage(project, "shell", "--command", ADD_PICTURE)
    (project / "media/avatars").mkdir(parents=True)
    (project / "media" / PICTURE).write_bytes(b"a picture")
    return project


@pytest.fixture
def project(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(project: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit status of the command, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "why", *arguments],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def change(project: Path, name: str, *pairs: tuple[str, str]) -> None:
    """Replace text in a file of the project, which has to be there."""
    text = (project / name).read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (project / name).write_text(text, "utf-8")


def set_debug_off(project: Path) -> None:
    change(project, "settings.py", ("DEBUG = True", 'DEBUG = False\nALLOWED_HOSTS = ["*"]'))


def collect(project: Path) -> None:
    set_debug_off(project)
    manage(project, "collectstatic", "--noinput", "--verbosity=0")


@pytest.mark.parametrize("file", [CSS, f"/static/{CSS}", PICTURE, f"/media/{PICTURE}"])
def test_a_file_that_arrives_is_followed_to_the_answer(project: Path, file: str) -> None:
    status, text = run(project, file)
    *stations, conclusion = text.splitlines()
    assert (status, conclusion) == (0, "The file arrives as it is stored now.")
    assert stations[-1].startswith("   answer  200, content-type: ")
    assert "\x1b" not in text


def test_a_stylesheet_is_described_at_each_station(project: Path) -> None:
    change(project, "settings.py", ('BASE_DIR / "static"]', 'BASE_DIR / "static", BASE_DIR / "b"]'))
    (project / "b/people").mkdir(parents=True)
    (project / "b" / CSS).write_text("", "utf-8")
    stations = [line.split(maxsplit=1) for line in run(project, CSS)[1].splitlines()]
    assert [first for first, _ in stations[:6]] == [
        "settings", "source", "collected", "name", "served", "answer",
    ]  # fmt: skip
    assert stations[1][1] == f"{project / 'b' / CSS}; it hides {project / SOURCE}"
    assert "runserver" in stations[4][1]


def test_a_picture_is_described_at_each_station(project: Path) -> None:
    text = run(project, PICTURE)[1]
    assert f"row  people.Profile 1 has {PICTURE}" in text
    assert f"files are in {project}/media, and their URLs begin with /media/" in text
    assert "stored  9 bytes" in text
    assert f".url is /media/{PICTURE}" in text
    assert "static() in urls.py, while DEBUG is on" in text


def forget_the_app(project: Path) -> None:
    (project / "shop/static/shop").mkdir(parents=True)
    (project / "shop/static/shop/shop.css").write_text("", "utf-8")


def forget_a_folder(project: Path) -> None:
    (project / "people/static/people.css").write_text("", "utf-8")


def put_into_static_root(project: Path) -> None:
    (project / "staticfiles/css").mkdir(parents=True)
    (project / "staticfiles/css/mine.css").write_text("", "utf-8")


def collect_before(project: Path) -> None:
    collect(project)
    (project / "static/js/new.js").write_text("", "utf-8")


def collect_before_a_change(project: Path) -> None:
    collect(project)
    (project / SOURCE).write_text("b { color: red }", "utf-8")


def collect_into_the_source(project: Path) -> None:
    change(project, "settings.py", ('BASE_DIR / "staticfiles"', 'BASE_DIR / "static"'))


def uninstall(project: Path) -> None:
    change(project, "settings.py", ('    "django.contrib.staticfiles",\n', ""))


def lose_the_file(project: Path) -> None:
    (project / "media" / PICTURE).unlink()


def empty_media_url(project: Path) -> None:
    change(
        project,
        "settings.py",
        ('MEDIA_URL = "/media/"', ""),
    )
    change(project, "urls.py", ("urlpatterns += static", "# "))


BREAKS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "the name is misspelt": (
        lambda project: None,
        "people/styl.css",
        "No static folder has people/styl.css. Is it people/style.css?",
    ),
    "the app is not installed": (
        forget_the_app,
        "shop/shop.css",
        "shop.css is in no app of INSTALLED_APPS, and in none of STATICFILES_DIRS.",
    ),
    "the inner folder is missing": (
        forget_a_folder,
        "people/people.css",
        "No static folder has people/people.css. Is it people/style.css or people.css?",
    ),
    "the source is in STATIC_ROOT": (
        put_into_static_root,
        "css/mine.css",
        "css/mine.css is in STATIC_ROOT alone, which is for copies",
    ),
    "collectstatic ran before": (
        collect_before,
        "js/new.js",
        "Run collectstatic: it has not seen js/new.js yet.",
    ),
    "the source has changed": (collect_before_a_change, CSS, f"{CSS} has changed since."),
    "STATIC_ROOT is a source": (collect_into_the_source, CSS, "should not contain the STATIC_ROOT"),
    "staticfiles is not installed": (uninstall, CSS, "Add django.contrib.staticfiles to"),
    "DEBUG is off, and nobody serves static files": (
        collect,
        CSS,
        "This project answers 404. With DEBUG off, a server in front has to (ask its "
        "URL), or WhiteNoise if static.",
    ),
    "DEBUG is off, and nobody serves media": (
        set_debug_off,
        PICTURE,
        "This project answers 404. With DEBUG off, a server in front has to (ask its "
        "URL), or WhiteNoise if static.",
    ),
    "the file is lost": (lose_the_file, PICTURE, f"A row has {PICTURE}, but the file is gone"),
    "an upload is named as a static file": (
        lambda project: None,
        f"/static/{PICTURE}",
        "It is an upload: use the .url of its field.",
    ),
    "nobody has the name": (
        lambda project: None,
        "/media/avatars/you.jpg",
        "There is no file avatars/you.jpg, and no row that has it.",
    ),
    "MEDIA_URL is empty": (empty_media_url, PICTURE, 'Set MEDIA_URL = "/media/"'),
    "the path has another beginning": (
        lambda project: None,
        "/statics/people/style.css",
        "/statics/people/style.css begins with neither.",
    ),
    "the path leads out": (
        lambda project: None,
        "/media/../settings.py",
        "SuspiciousFileOperation",
    ),
}


@pytest.mark.parametrize("case", BREAKS)
def test_the_last_line_says_where_the_way_breaks(project: Path, case: str) -> None:
    make, file, expected = BREAKS[case]
    make(project)
    status, text = run(project, file)
    assert status == 1
    assert expected in text.splitlines()[-1]


MEDIA_ROUTE = "urlpatterns += static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)"


def route(project: Path, *lines: str) -> None:
    """Put other routes in the place of `static()`."""
    change(project, "urls.py", (MEDIA_ROUTE, "\n".join(lines)))


def test_a_view_for_everything_else_does_not_pass_for_one_of_files(project: Path) -> None:
    set_debug_off(project)
    lines = ["from django.urls import re_path", 'urlpatterns += [re_path("", edit)]']
    route(project, *lines)
    status, text = run(project, PICTURE)
    assert status == 1
    assert "nothing here: a server in front has to" in text


def test_a_view_may_refuse_a_file_to_strangers(project: Path) -> None:
    collect(project)
    lines = [
        "from django.urls import re_path",
        "from django.views.static import serve",
        'root = {"document_root": settings.MEDIA_ROOT}',
        'urlpatterns += [re_path("^media/(?P<path>.*)$", login_required(serve), root)]',
    ]
    route(project, *lines)
    status, text = run(project, PICTURE)
    assert status == 0
    assert "answer  302" in text
    assert "to those who have not signed in" in text
    with serve(project) as origin:  # Where it redirects to is a page, and not the answer.
        status, text = run(project, f"{origin}/media/{PICTURE}")
    assert (status, "answer  302" in text) == (0, True), text


def test_a_view_that_fails_is_a_fault(project: Path) -> None:
    set_debug_off(project)
    lines = ["from django.urls import re_path"]
    lines += ['urlpatterns += [re_path("^media/", lambda request: 1 / 0)]']
    route(project, *lines)
    status, text = run(project, PICTURE)
    assert status == 1
    assert text.endswith("This project answers 500.\n")


@pytest.mark.parametrize("name", ["avatars/me and José.jpg", "avatars/LICENSE", "avatars/a.b.map"])
def test_a_file_of_any_name_arrives(project: Path, name: str) -> None:
    (project / "media" / name).write_bytes(b"a file")
    assert run(project, name)[0] == 0
    (project / "static/js" / Path(name).name).write_bytes(b"a file")
    assert run(project, f"js/{Path(name).name}")[0] == 0


def test_a_route_that_leaves_out_the_name_is_a_fault(project: Path) -> None:
    set_debug_off(project)
    lines = ["from django.urls import re_path"]
    lines += [r'urlpatterns += [re_path(r"^media/([\w/]+\.\w+)$", lambda request, name: None)]']
    route(project, *lines)
    name = "avatars/IMG-20261127.jpg"
    (project / "media" / name).write_bytes(b"a picture")
    status, text = run(project, name)
    assert status == 1
    assert "leaves out this name" in text


def test_a_folder_that_depends_on_where_the_site_is_started_is_a_fault(project: Path) -> None:
    change(project, "settings.py", ('MEDIA_ROOT = BASE_DIR / "media"', 'MEDIA_ROOT = "media/"'))
    status, text = run(project, PICTURE)
    assert status == 1
    assert "MEDIA_ROOT is not absolute" in text


def test_an_old_copy_that_is_served_is_a_fault(project: Path) -> None:
    first = '    "django.contrib.sessions.middleware.SessionMiddleware",'
    middleware = f'    "whitenoise.middleware.WhiteNoiseMiddleware",\n{first}'
    plain = ("ManifestStaticFilesStorage", "StaticFilesStorage")
    change(project, "settings.py", (first, middleware), plain)
    collect(project)
    copy = project / "staticfiles" / f"{CSS}.gz"
    copy.write_bytes(gzip.compress(b"b { color: red }"))
    status, text = run(project, CSS)
    assert status == 1
    assert text.endswith("It is another file: an old copy, .gz or .br?\n")


def test_a_folder_is_no_file(project: Path) -> None:
    status, text = run(project, "/media/avatars")
    assert status == 1
    assert "There is no file avatars" in text


def test_the_name_of_an_old_copy_is_not_found(project: Path) -> None:
    collect(project)
    first = '    "django.contrib.sessions.middleware.SessionMiddleware",'
    change(
        project,
        "settings.py",
        (first, f'    "whitenoise.middleware.WhiteNoiseMiddleware",\n{first}'),
    )
    assert run(project, CSS)[0] == 0
    assert run(project, f"/static/{CSS.replace('.css', '.000000000000.css')}")[0] == 1


def test_a_missing_folder_is_a_warning_and_no_fault(project: Path) -> None:
    change(project, "settings.py", ('BASE_DIR / "static"]', 'BASE_DIR / "static", BASE_DIR / "b"]'))
    assert run(project, CSS)[0] == 0


def test_a_database_without_tables_is_named(project: Path) -> None:
    (project / "db.sqlite3").unlink()
    status, text = run(project, PICTURE)
    assert status == 1
    assert "no such table: people_profile" in text


def test_the_name_of_a_second_upload_is_traced_to_its_row(project: Path) -> None:
    (project / "media/avatars/me_x8Fk2.jpg").write_bytes(b"a second picture")
    status, text = run(project, "/media/avatars/me_x8Fk2.jpg")
    assert status == 0
    assert f"no row has this name; people.Profile 1 has {PICTURE}" in text


def test_the_name_with_a_hash_leads_to_the_source(project: Path) -> None:
    collect(project)
    [hashed] = (project / "staticfiles/people").glob("style.????????????.css")
    assert str(project / SOURCE) in run(project, f"/static/people/{hashed.name}")[1]


def test_a_whole_url_is_requested_from_its_server(project: Path) -> None:
    with serve(project) as origin:
        assert "200, content-type: text/css" in run(project, f"{origin}/static/{CSS}")[1]


def test_a_server_that_does_not_find_the_file_is_named(project: Path) -> None:
    set_debug_off(project)
    with serve(project) as origin:
        change(project, "settings.py", ("DEBUG = False", "DEBUG = True"))
        status, text = run(project, f"{origin}/media/{PICTURE}")
    assert status == 1
    host = origin.removeprefix("http://")
    assert text.endswith(f"{host} answers 404. Is this path served there?\n")


def test_a_server_that_does_not_run_is_named(project: Path) -> None:
    host = f"127.0.0.1:{find_port()}"
    status, text = run(project, f"http://{host}/static/{CSS}")
    assert status == 1
    assert f"\n{host} does not answer: " in text
    assert "Connection refused" in text


def test_json_says_the_same(project: Path) -> None:
    lose_the_file(project)
    status, text = run(project, "--json", PICTURE)
    found = json.loads(text)
    assert status == 1
    assert [each["place"] for each in found["stations"]] == ["settings", "row", "stored"]
    assert found["conclusion"] == found["stations"][-1]["fault"]


def test_a_terminal_gets_colours(project: Path) -> None:
    assert "\x1b[" in run(project, "--force-color", CSS)[1]


def test_it_works_in_a_blank_project(tmp_path: Path) -> None:
    for command in (["startproject", "blank", "."], ["startapp", "shop"]):
        arguments = [sys.executable, "-m", "django", *command]
        subprocess.run(arguments, cwd=tmp_path, env=environment(), check=True)
    add_command(tmp_path / "shop")
    change(tmp_path, "blank/settings.py", ("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "shop",'))
    assert run(tmp_path, "admin/css/base.css")[0] == 0
    assert run(tmp_path, "shop/shop.css")[0] == 1


def test_it_can_be_copied_into_any_project() -> None:
    source = COMMAND.read_text("utf-8")
    modules = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert {node.level for node in modules} == {0}
    others = {(node.module or "").partition(".")[0] for node in modules} - sys.stdlib_module_names
    assert others == {"django"}
    assert len(source.splitlines()) <= 300
