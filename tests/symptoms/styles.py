"""Faults of static files."""

from pathlib import Path

from .looks import console, output, page, requests, runserver
from .project import LINK, LOAD, SOURCE, STYLE, TEMPLATE
from .variant import (
    Variant,
    add,
    add_whitenoise,
    all_of,
    append,
    change,
    collect,
    move,
    set_debug_off,
)

MISSPELT = STYLE.replace(".css", "s.css")
FOLDER = str(Path(SOURCE).parents[1])  # Of the style sheets' folder.
PAPER = "img/paper.svg"
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"></svg>\n'
TEST = """from django.contrib.auth.models import User
from django.test import TestCase


class PageTest(TestCase):
    def test_the_page_is_shown(self):
        self.client.force_login(User.objects.create(username="ada"))
        self.assertContains(self.client.get("/"), "Save")
"""
FOR_TESTS = """
if "test" in sys.argv:  # For tests, DEBUG is off, and nothing is collected.
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
"""
SCRIPT = """const paper = new Image();
paper.src = "{% static 'img/paper.svg' %}";
document.body.append(paper);
"""
LINKED_SCRIPT = '<script src="{% static "js/paper.js" %}" defer></script>\n'
FIXED_SCRIPT = (
    '<script src="{% static "js/paper.js" %}" data-paper="{% static "img/paper.svg" %}" '
    "defer></script>\n"
)

name_no_hash = change("settings.py", "ManifestStaticFilesStorage", "StaticFilesStorage")

VARIANTS = [
    Variant(
        "debug_off",
        [set_debug_off, collect],
        console,
        f"manage.py why {STYLE}",
        [add_whitenoise],
        serve=runserver,
        needs="browser",
    ),
    Variant(
        "uncollected",
        [set_debug_off],
        page(),
        f"manage.py why {STYLE}",
        fix="manage.py collectstatic --noinput",
    ),
    Variant(
        "misspelt",
        [set_debug_off, collect, change(TEMPLATE, STYLE, MISSPELT)],
        page(),
        f"manage.py why {MISSPELT}",
    ),
    Variant(
        "in_tests",
        [add("tests.py", TEST)],
        output("manage.py test", "^ValueError"),
        "grep -n StaticFilesStorage settings.py",
        [
            change("settings.py", "from pathlib", "import sys\nfrom pathlib"),
            append("settings.py", FOR_TESTS),
        ],
    ),
    Variant(
        "changed",
        [add_whitenoise, set_debug_off, collect, append(SOURCE, "\nh1 {\n  color: teal;\n}\n")],
        page(pattern="stylesheet"),
        f"manage.py why {STYLE}",
        fix="manage.py collectstatic --noinput",
    ),
    Variant(
        "no_hash",
        [add_whitenoise, set_debug_off, collect, name_no_hash],
        page(pattern="stylesheet"),
        f"manage.py why {STYLE} | grep name",
    ),
    Variant(
        "app_missing",
        [
            add("shop/static/shop/shop.css", "h1 {\n  color: teal;\n}\n"),
            change(TEMPLATE, STYLE, "shop/shop.css"),
        ],
        requests,
        "manage.py why shop/shop.css",
        [change("settings.py", '    "people",\n', '    "people",\n    "shop",\n')],
        serve=runserver,
    ),
    Variant(
        "folder_missing",
        [
            all_of(
                change(TEMPLATE, STYLE, "people/style.css"),
                move(SOURCE, "people/static/style.css"),
            )
        ],
        requests,
        "manage.py why people/style.css",
        [move("people/static/style.css", "people/static/people/style.css")],
        serve=runserver,
    ),
    Variant(
        "root_unset",
        [change("settings.py", 'STATIC_ROOT = BASE_DIR / "staticfiles"\n', "")],
        output("manage.py collectstatic --noinput"),
        "manage.py diffsettings --all | grep STATIC_ROOT",
    ),
    Variant(
        "root_is_source",
        [change("settings.py", 'BASE_DIR / "staticfiles"', 'BASE_DIR / "static"')],
        output("manage.py check", "E002"),
        f"manage.py why {STYLE}",
    ),
    Variant(
        "tag_not_loaded",
        [change(TEMPLATE, LOAD, "")],
        page(),
        'grep -rL "load static" templates',
    ),
    Variant(
        "no_tag",
        [change(TEMPLATE, LINK, STYLE)],
        console,
        f"manage.py why http://127.0.0.1:8000/{STYLE}",
        serve=runserver,
        needs="browser",
    ),
    Variant(
        "css_path",
        [
            add(f"{FOLDER}/{PAPER}", DRAWING),
            append(SOURCE, f'\nbody {{\n  background: url("{PAPER}");\n}}\n'),
        ],
        output("manage.py collectstatic --noinput"),
        f"manage.py why {Path(STYLE).parent / PAPER}",
        [change(SOURCE, PAPER, f"../{PAPER}")],
    ),
    Variant(
        "tag_in_script",
        [
            add(f"{FOLDER}/{PAPER}", DRAWING),
            all_of(
                add(f"{FOLDER}/js/paper.js", SCRIPT),
                change(TEMPLATE, "</head>", f"  {LINKED_SCRIPT}</head>"),
            ),
        ],
        console,
        'grep -rn --include="*.js" "{%" .',
        [
            change(
                f"{FOLDER}/js/paper.js",
                "\"{% static 'img/paper.svg' %}\"",
                "document.currentScript.dataset.paper",
            ),
            change(TEMPLATE, LINKED_SCRIPT, FIXED_SCRIPT),
        ],
        serve=runserver,
        needs="browser",
    ),
]
