"""The avatar field in a project of somebody else's, set up as docs/reuse.md says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .helpers.servers import ROOT

pytestmark = pytest.mark.slow

RECIPE = (ROOT / "docs" / "reuse.md").read_text(encoding="utf-8")
# Beside what the recipe has: what somebody's own models may be.
MORE_MODELS = """
from pictures.names import Sizes

class Trader(Seller):
    class Meta:
        proxy = True


class Wholesaler(Seller):
    tons = models.IntegerField()


class Pictured(models.Model):
    photo = AvatarField(upload_to="sellers/orders", description_field="note")
    note = models.CharField(max_length=60, blank=True)

    class Meta:
        abstract = True


class Order(Pictured):
    pass


class Wanted(models.Model):
    title = models.CharField(max_length=60, unique=True)
    logo = AvatarField(upload_to="wanted/logos", blank=True)
    front = AvatarField(upload_to="wanted/fronts", sizes=Sizes((1024,), 1024), blank=True)
"""
ADMIN = (
    "from django.contrib import admin\nfrom .models import Seller\nadmin.site.register(Seller)\n"
)


def list_blocks(file: str) -> list[str]:
    """Return the pieces of code that the recipe has added to a file, in their order."""
    parts = re.split(r"```(?:python|sh|django)\n(.*?)```", RECIPE, flags=re.DOTALL)
    return [code for text, code in zip(parts[::2], parts[1::2], strict=False) if file in text]


def manage(project: Path, *command: str) -> subprocess.CompletedProcess:
    """Run a command of the project with nothing of this site, and every warning as an error."""
    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *command],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh project, to which only the lines of the recipe were added."""
    project = tmp_path_factory.mktemp("shop")
    django = [sys.executable, "-m", "django"]
    subprocess.run([*django, "startproject", "shop", project], check=True)
    subprocess.run([*django, "startapp", "market"], cwd=project, check=True)
    shutil.copytree(ROOT / "profiles" / "pictures", project / "pictures")
    first, protected = list_blocks("STORAGES")[0], list_blocks("`settings.py`")
    for file, blocks in {
        "shop/settings.py": [*protected, first],
        "shop/urls.py": list_blocks("`urls.py`"),
    }.items():
        with (project / file).open("a") as source:
            source.write("\n".join(["", *blocks]))
    models = "\n\n".join(list_blocks("`market/models.py`"))
    (project / "market" / "models.py").write_text(models + MORE_MODELS)
    (project / "market" / "admin.py").write_text(ADMIN)
    made = manage(project, "makemigrations", "market")
    assert made.returncode == 0, made.stderr
    return project


def test_the_recipe_has_as_few_lines_as_it_says() -> None:
    code = [line for name in ("`settings.py`", "`urls.py`") for line in list_blocks(name)]
    assert sum(bool(line) for block in code for line in block.splitlines()) == 4


def test_the_project_is_set_up_rightly(project: Path) -> None:
    checked = manage(project, "check", "--fail-level", "WARNING")
    assert checked.returncode == 0, checked.stderr


def test_every_promise_holds_in_a_fresh_project(project: Path) -> None:
    shutil.copy(ROOT / "tests" / "reuse" / "market.py", project / "market" / "tests.py")
    tested = manage(project, "test", "market")
    assert tested.returncode == 0, tested.stderr
    number = re.search(r"Ran (\d+) tests", tested.stderr)
    assert number
    assert int(number[1]) > 40


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("shop/settings.py", 'STORAGES["protected"] =', 'STORAGES["hidden"] =', "(pictures.E002)"),
        ("market/models.py", 'upload_to="buyers/"', 'upload_to="sellers/"', "(pictures.E003)"),
        ("market/models.py", 'upload_to="buyers/"', 'upload_to="buyers/%Y/"', "(pictures.E001)"),
        ("market/models.py", 'upload_to="buyers/"', 'upload_to=""', "(pictures.E001)"),
        (
            "market/models.py",
            'description_field="note"',
            'description_field="text"',
            "(pictures.E004)",
        ),
        (
            "shop/settings.py",
            '["pictures", "market"]',
            '["market"]',
            "isn't in an application in INSTALLED_APPS",
        ),
    ],
)
def test_a_slip_is_named_before_it_hurts(
    file: str, old: str, new: str, sentence: str, project: Path, tmp_path: Path
) -> None:
    slipped = tmp_path / "shop"
    shutil.copytree(project, slipped)
    source = (slipped / file).read_text()
    assert old in source
    (slipped / file).write_text(source.replace(old, new))
    (slipped / "shop" / "urls.py").write_text("urlpatterns = []\n")
    assert sentence in manage(slipped, "check").stderr
