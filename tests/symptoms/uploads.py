"""Faults of uploads and pictures."""

from importlib.util import find_spec
from pathlib import Path

from .looks import Look, output, page, requests, runserver
from .project import AS_OTHERS, FIELD, PICTURE, TEMPLATE, Project
from .variant import Variant, add, add_picture, all_of, change

OPTIONAL = FIELD.replace("upload_to", "blank=True, upload_to")
URL = "{{ user.profile.avatar.url }}"
LIST = """<!doctype html>
<title>People</title>
<ul>
  {% for person in people %}
    <li>
      {{ person.username }}
      <img src="{{ user.profile.avatar.url }}" alt="">
    </li>
  {% endfor %}
</ul>
"""
LIST_VIEW = """@login_required
def show_people(request: HttpRequest) -> HttpResponse:
    return render(request, "people.html", {"people": User.objects.all()})


urlpatterns = [
    path("people/", show_people),
"""
DELETING = """            old = Profile.objects.get(pk=profile.pk).avatar
            form.save()
            if old and old != profile.avatar:
                old.delete(save=False)
"""
NAMING = """def name_avatar(profile: "Profile", name: str) -> str:
    return f"avatars/{uuid4()}{Path(name).suffix}"


class Profile"""
# Without Django's and its own dependencies' neighbours in site-packages.
NEEDED = ("django", "asgiref", "sqlparse")

ROUTE = "urlpatterns += static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)\n"

add_list = all_of(
    add("templates/people.html", LIST.replace("{{ user.", "{{ person.")),
    change("urls.py", "urlpatterns = [\n", LIST_VIEW),
    change(
        "urls.py",
        "from django.contrib.auth.d",
        "from django.contrib.auth.models import User\nfrom django.contrib.auth.d",
    ),
)


def add_pictures(project: Project) -> None:
    project.add_picture()
    project.add_picture("avatars/grace.jpg", user=2)


def remove_pictures_before(look: Look) -> Look:
    def look_again(project: Project) -> str:
        project.remove_pictures()
        return look(project)

    return look_again


def list_after_uploads(project: Project) -> str:
    page(uploads=("me.jpg", "you.jpg"))(project)
    names = sorted(path.name for path in (project.folder / "media/avatars").iterdir())
    return "\n".join(f"media/avatars/{name}" for name in names)


def forbid_writing(project: Project) -> None:
    (project.folder / "media").chmod(0o555)
    project.prefix = AS_OTHERS


def leave_pillow_out(project: Project) -> None:
    """Use only packages that are named, from a folder of links to them."""
    project.python.append("-S")
    project.variables["PYTHONPATH"] = str(project.folder / "packages")
    for name in NEEDED:
        link_package(project, name)


def link_package(project: Project, name: str) -> None:
    spec = find_spec(name)
    assert spec
    assert spec.origin
    (project.folder / "packages").mkdir(exist_ok=True)
    (project.folder / "packages" / name).symlink_to(Path(spec.origin).parent)


def link_pillow(project: Project) -> None:
    link_package(project, "PIL")


VARIANTS = [
    Variant(
        "no_enctype",
        [change(TEMPLATE, ' enctype="multipart/form-data"', "")],
        remove_pictures_before(
            page(pattern="No picture yet|This field is required", uploads=("me.jpg",))
        ),
        'grep -rn "<form" templates',
    ),
    Variant(
        "no_files",
        [
            change("people/models.py", FIELD, OPTIONAL),
            change("urls.py", "            request.FILES,\n", ""),
        ],
        remove_pictures_before(
            page(pattern="No picture yet|This field is required", uploads=("me.jpg",))
        ),
        "grep -n -A 3 request.POST urls.py",
    ),
    Variant(
        "user_in_loop",
        [
            add_list,
            add_pictures,
            change("templates/people.html", "{{ person.profile", "{{ user.profile"),
        ],
        page("/people/", "<img"),
        "grep -rn avatar.url templates/people.html",
    ),
    Variant(
        "not_writable",
        [forbid_writing],
        page(uploads=("me.jpg",)),
        "find media ! -writable",
        fix="chmod -R u+w media",
    ),
    Variant(
        "old_file",
        [],
        remove_pictures_before(list_after_uploads),
        "manage.py why /media/avatars/me.jpg | grep row",
        [change("urls.py", "            form.save()\n", DELETING)],
    ),
    Variant(
        "no_file",
        [
            all_of(
                change(TEMPLATE, "  {% if user.profile.avatar %}\n", ""),
                change(
                    TEMPLATE,
                    "  {% else %}\n    <p>No picture yet.</p>\n  {% endif %}\n",
                    "",
                ),
            )
        ],
        page(),
        'grep -rn -B 1 "avatar.url" templates',
    ),
    Variant(
        "static_tag",
        [add_picture, change(TEMPLATE, URL, "{% static user.profile.avatar.name %}")],
        requests,
        f"manage.py why {PICTURE} | grep name",
        serve=runserver,
    ),
    Variant(
        "no_media_url",
        [
            add_picture,
            all_of(
                change(
                    "settings.py", 'MEDIA_URL = "/media/"\nMEDIA_ROOT = BASE_DIR / "media"\n', ""
                ),
                change(
                    "urls.py",
                    ROUTE,
                    "",
                ),
            ),
        ],
        requests,
        f"manage.py why {PICTURE}",
        serve=runserver,
    ),
    Variant(
        "no_pillow",
        [leave_pillow_out],
        output("manage.py check", "E210|HINT"),
        'python -c "import PIL"',
        [link_pillow],
        fix="python -m pip install pillow",
    ),
    Variant(
        "same_name",
        [],
        remove_pictures_before(page(pattern="<img", uploads=("me.jpg", "me.jpg"))),
        "ls media/avatars",
        [
            change(
                "people/models.py",
                FIELD,
                FIELD.replace("'avatars/'", "name_avatar").replace('"avatars/"', "name_avatar"),
            ),
            change("people/models.py", "class Profile", NAMING),
            change(
                "people/models.py",
                "from django.contrib.auth",
                "from pathlib import Path\nfrom uuid import uuid4\n\nfrom django.contrib.auth",
            ),
        ],
    ),
]
