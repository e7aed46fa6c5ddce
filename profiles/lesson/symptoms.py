"""Faults of static and media files, by what one sees.

What is seen, said and changed is in `symptoms.json`: `make symptoms` records it.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from .steps import split_diff

Text = str | Promise


@cache
def read_records() -> dict[str, dict[str, str]]:
    """Return what was recorded of each variant in tests/symptoms/."""
    records: dict[str, dict[str, str]] = json.loads(
        Path(__file__).with_suffix(".json").read_text("utf-8")
    )
    return records


class Cause(NamedTuple):
    """Why something is seen, and what helps. Code is between backticks."""

    variant: str
    why: Text
    helps: Text
    checks: tuple[str, ...] = ()

    @property
    def record(self) -> dict[str, str]:
        return read_records()[self.variant]

    @property
    def diff(self) -> list[tuple[str, list[str]]]:
        """The fix, by files; none where it is a command."""
        return split_diff(self.record["fix"])


class Symptom(NamedTuple):
    slug: str
    title: Text
    causes: list[Cause]


class Group(NamedTuple):
    slug: str
    title: Text
    symptoms: list[Symptom]


DEBUG_OFF = Cause(
    "debug_off",
    _(
        "In development, `runserver` serves static files. Once `DEBUG` is off it stops, and "
        "nothing else serves them yet."
    ),
    _(
        "Let WhiteNoise serve what `collectstatic` has collected. Install it first: `pip install "
        "whitenoise`."
    ),
    ("profiles.E003",),
)
STYLES = [
    Symptom(
        "no-style-without-debug",
        _("The page has no style once `DEBUG` is off"),
        [
            DEBUG_OFF,
        ],
    ),
    Symptom(
        "missing-manifest-entry",
        "`Missing staticfiles manifest entry`",
        [
            Cause(
                "uncollected",
                _(
                    "The page asks for the name with the hash, which only `collectstatic` knows. "
                    "It has not run yet."
                ),
                _("Run `collectstatic` at each deploy, before the site starts."),
                ("profiles.E004",),
            ),
            Cause(
                "misspelt",
                _("The template has another name than the file."),
                _("Write the name as the file has it, below the static folder."),
                ("profiles.E006",),
            ),
            Cause(
                "in_tests",
                _(
                    "This happens in tests only. Django turns `DEBUG` off for tests, and nothing "
                    "was collected."
                ),
                _("Give tests a storage that needs no manifest."),
            ),
        ],
    ),
    Symptom(
        "old-style-after-deploy",
        _("Visitors see the old style after a deploy"),
        [
            Cause(
                "changed",
                _(
                    "The file has changed, but `collectstatic` has not run since. Pages still name "
                    "the old copy."
                ),
                _("Run `collectstatic` at each deploy, then restart the site."),
            ),
            Cause(
                "no_hash",
                _(
                    "The URL of the file is the same after each change. So browsers and caches "
                    "keep the file that they have."
                ),
                _(
                    "Let `collectstatic` add a hash of the content to the name. New content then "
                    "has a new URL."
                ),
            ),
        ],
    ),
    Symptom(
        "style-404-in-development",
        _("The stylesheet is a 404 in development"),
        [
            Cause(
                "app_missing",
                _(
                    "The file is in the `static` folder of an app. Django only looks into the apps "
                    "in `INSTALLED_APPS`."
                ),
                _("Add the app."),
                ("profiles.E006",),
            ),
            Cause(
                "folder_missing",
                _(
                    "The file is right below `static`, so that its name is only `style.css`. The "
                    "template names it with a folder."
                ),
                _(
                    "Put it into a folder with the name of the app, within `static`. So two apps "
                    "can each have a `style.css`."
                ),
                ("profiles.E006",),
            ),
        ],
    ),
    Symptom(
        "static-root-or-dirs",
        _("`STATIC_ROOT` or `STATICFILES_DIRS`: `ImproperlyConfigured`, `staticfiles.E002`"),
        [
            Cause(
                "root_unset",
                _(
                    "`collectstatic` does not know where to put the copies: `STATIC_ROOT` is not "
                    "set."
                ),
                _(
                    "Set it to a folder that is used for nothing else. Your own files stay in the "
                    "folders of `STATICFILES_DIRS` and of the apps."
                ),
            ),
            Cause(
                "root_is_source",
                _(
                    "Both settings name the same folder. `STATICFILES_DIRS` is where your files "
                    "are, `STATIC_ROOT` is where their copies go."
                ),
                _("Use two folders, and do not commit that of the copies."),
            ),
        ],
    ),
    Symptom(
        "invalid-block-tag-static",
        "`Invalid block tag … 'static'`",
        [
            Cause(
                "tag_not_loaded",
                _(
                    "The template uses `{% static %}` without loading it. The command lists each "
                    "template that does not load it."
                ),
                _("Load it in each template that uses it, also in one that extends another."),
            )
        ],
    ),
    Symptom(
        "refused-to-apply-style",
        "`Refused to apply style … MIME type ('text/html')`",
        [
            Cause(
                "no_tag",
                _(
                    "At this URL there is no stylesheet, but a page of HTML: mostly the page that "
                    "says 404. Here the template has the name of the file and not its URL."
                ),
                _("Let `{% static %}` make the URL."),
            ),
            DEBUG_OFF,
        ],
    ),
    Symptom(
        "files-in-css-and-javascript",
        _("A picture that CSS or JavaScript names is missing"),
        [
            Cause(
                "css_path",
                _("In CSS, a path begins at the folder of the CSS file."),
                _(
                    "Write the path from there. `collectstatic` then replaces it by the name with "
                    "the hash."
                ),
            ),
            Cause(
                "tag_in_script",
                _(
                    "Django reads tags in templates only. A JavaScript file is sent as it is, so "
                    "the browser requests the tag itself."
                ),
                _("Write the URL into the page, and let the script read it there."),
            ),
        ],
    ),
]
UPLOADS = [
    Symptom(
        "form-saves-no-picture",
        _("The form is sent, but no picture arrives"),
        [
            Cause(
                "no_enctype",
                _(
                    "The form has no `enctype`. So the browser sends the name of the file and not "
                    "the file."
                ),
                _('Add `enctype="multipart/form-data"`.'),
            ),
            Cause(
                "no_files",
                _(
                    "The view does not pass `request.FILES` to the form. Files are there, not in "
                    "`request.POST`. If the field may be empty, nothing complains."
                ),
                _("Pass both."),
            ),
        ],
    ),
    Symptom(
        "everybody-has-my-face",
        _("Everybody in the list has my picture"),
        [
            Cause(
                "user_in_loop",
                _(
                    "In a template, `user` is whoever has signed in. In a loop over people it is "
                    "still you."
                ),
                _("Use the variable of the loop."),
            )
        ],
    ),
    Symptom(
        "pictures-404-without-debug",
        _("Every picture is a 404 once `DEBUG` is off"),
        [
            Cause(
                "media_debug_off",
                _(
                    "`static()` in `urls.py` serves uploads in development. Once `DEBUG` is off it "
                    "adds no URL, and nothing else serves them yet."
                ),
                _("Let the server in front serve `MEDIA_ROOT`. Here it is nginx."),
                ("profiles.E007",),
            )
        ],
    ),
    Symptom(
        "upload-404-in-development",
        _("An uploaded picture is a 404 in development"),
        [
            Cause(
                "static_tag",
                _(
                    "`{% static %}` makes URLs of static files. An upload is not one: its URL "
                    "begins with `MEDIA_URL`."
                ),
                _("Use `.url` of the field."),
            ),
            Cause(
                "no_media_url",
                _(
                    "`MEDIA_URL` is empty, so `.url` leads to the root of the site. `MEDIA_ROOT` "
                    "is empty as well, so uploads are stored wherever the site was started."
                ),
                _("Set both, and add `static()` to `urls.py` for development."),
            ),
        ],
    ),
    Symptom(
        "permission-denied-on-upload",
        _("Uploads fail: `PermissionError: [Errno 13] Permission denied`"),
        [
            Cause(
                "not_writable",
                _(
                    "The user that runs the site may not write to `MEDIA_ROOT`. Run the command as "
                    "this user: it lists what it may not write to."
                ),
                _(
                    "Let this user write there. Where the folder belongs to another user, change "
                    "its owner: `chown -R www-data: media`."
                ),
                ("profiles.E002", "profiles.W003"),
            )
        ],
    ),
    Symptom(
        "old-file-stays",
        _("The old file stays after a new upload"),
        [
            Cause(
                "old_file",
                _("Django never deletes a file, since another row could have the same one."),
                _(
                    "Delete it once the row is saved. If the order is the other way round and "
                    "saving fails, the row has a file that is gone."
                ),
            )
        ],
    ),
    Symptom(
        "no-file-associated",
        "`The 'avatar' attribute has no file associated with it`",
        [
            Cause(
                "no_file",
                _("Somebody has no picture yet, and an empty field has no `.url`."),
                _("Check first whether there is a file."),
            )
        ],
    ),
    Symptom(
        "suffix-in-name",
        _("The picture is suddenly called `me_x8Fk2Qd.jpg`"),
        [
            Cause(
                "same_name",
                _(
                    "This is not a fault. There was a `me.jpg`, and Django never overwrites a "
                    "file: it adds seven random characters."
                ),
                _(
                    "Always use `.url`, and do not build the URL yourself. To hide the names that "
                    "visitors' files have, give each upload a new name."
                ),
            )
        ],
    ),
    Symptom(
        "pillow-missing",
        "`Cannot use ImageField because Pillow is not installed`",
        [
            Cause(
                "no_pillow",
                _("`ImageField` opens pictures with Pillow, which Django does not install."),
                _(
                    "Install it in the environment that runs the site, and add it to your list of "
                    "requirements."
                ),
            )
        ],
    ),
]
SERVERS = [
    Symptom(
        "whitenoise-and-uploads",
        _("WhiteNoise does not find new uploads"),
        [
            Cause(
                "whitenoise_for_media",
                _(
                    "WhiteNoise lists the files once, when the site starts. What is uploaded later "
                    "is a 404 until the next start. It is made for static files."
                ),
                _("Let the server in front serve `MEDIA_ROOT`."),
            )
        ],
    ),
    Symptom(
        "nginx-404",
        _("nginx answers 404 for each picture"),
        [
            Cause(
                "root_for_alias",
                _(
                    "nginx adds the whole path of the URL to `root`. So it looks for a second "
                    "`media` folder. Its error log says where it looks."
                ),
                _("With `alias`, it replaces the path of `location`."),
            ),
            Cause(
                "slash",
                _("`location` ends with a slash and `alias` does not. So both names run together."),
                _("End both with a slash."),
            ),
        ],
    ),
    Symptom(
        "nginx-403",
        _("nginx answers 403 for each picture"),
        [
            Cause(
                "home",
                _(
                    "The site is in a home folder. Others may not enter it, and nginx runs as "
                    "another user."
                ),
                _(
                    "Move the site to a folder such as `/srv`, or let others pass through the home "
                    "folder. They can then not list it."
                ),
            )
        ],
    ),
    Symptom(
        "only-large-uploads-403",
        _("nginx answers 403 for large pictures only"),
        [
            Cause(
                "only_large",
                _(
                    "Uploads of more than 2.5 MB are first written to a temporary file that only "
                    "its owner may read. Without `FILE_UPLOAD_PERMISSIONS`, it keeps these rights. "
                    "nginx is another user."
                ),
                _(
                    "Leave the setting as it is in Django, `0o644`. Files that are there already "
                    "need `chmod a+r`."
                ),
            )
        ],
    ),
    Symptom(
        "413-from-nginx",
        "`413 Request Entity Too Large`",
        [
            Cause(
                "too_large",
                _(
                    "nginx accepts at most 1 MB unless its configuration says more. A photo from a "
                    "phone is larger. The request never reaches the site."
                ),
                _("Set the limit a bit higher than that of the site."),
            )
        ],
    ),
    Symptom(
        "bucket-access-denied",
        _("A bucket answers `AccessDenied`"),
        [
            Cause(
                "bucket_private",
                _("Nobody may read the bucket, and the URL has no signature that allows it."),
                _(
                    "Let the storage sign each URL, as it does unless told otherwise. For pictures "
                    "that everybody may see, allow reading by a policy of the bucket."
                ),
            ),
            Cause(
                "bucket_expired",
                _(
                    "The URL is signed, and the signature is too old: an hour, unless "
                    "`querystring_expire` says otherwise. Here it is one second. A page that was "
                    "kept longer still has the old URL."
                ),
                _(
                    "For pictures that everybody may see, allow reading by a policy of the bucket, "
                    "and do not sign."
                ),
                ("profiles.W004",),
            ),
        ],
    ),
]
CONTAINERS = [
    Symptom(
        "uploads-gone-after-deploy",
        _("All uploads are gone after a deploy"),
        [
            Cause(
                "container_disk",
                _(
                    "Uploads were stored in the container. A deploy removes it and makes a new "
                    "one, with the files of the image only."
                ),
                _("Put `MEDIA_ROOT` on a volume, or in a bucket."),
            )
        ],
    ),
    Symptom(
        "volume-hides-build",
        _("A new image still has the old static files"),
        [
            Cause(
                "volume_over_static",
                _(
                    "A volume is mounted over `STATIC_ROOT`. Docker fills it from the first image "
                    "only. Then it hides what later images have there."
                ),
                _("Mount no volume there: static files are part of the image."),
            )
        ],
    ),
]
GROUPS = [
    Group("styles", _("Styles and scripts"), STYLES),
    Group("uploads", _("Uploads and pictures"), UPLOADS),
    Group("servers", _("Servers and buckets"), [*SERVERS, *CONTAINERS]),
]


@require_safe
def by_symptom(request: HttpRequest) -> HttpResponse:
    return render(request, "symptoms.html", {"groups": GROUPS})


def find_symptoms(slugs: list[str]) -> list[Symptom]:
    """Return the symptoms with these slugs."""
    known = {symptom.slug: symptom for group in GROUPS for symptom in group.symptoms}
    return [known[slug] for slug in slugs]
