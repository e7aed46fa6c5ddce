"""The software that a Django developer would use, one function each.

A contestant gets a folder, imports and sets up what it needs, and returns a function that handles
an upload: it writes squares of 512, 256, 128 and 64 pixels into that folder, as WebP of quality 80
if it can. Other files that it keeps, such as the original, are there too.
"""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Upload = Callable[[Path], None]
SIZES = (512, 256, 128, 64)


def likeness(folder: Path) -> Upload:
    from profiles.pictures import cell

    cell.start()

    def upload(source: Path) -> None:
        with source.open("rb") as file:
            for name, data in cell.make_avatar(file).files.items():
                (folder / name).write_bytes(data)

    return upload


def pyvips(folder: Path, library: str) -> Upload:
    """libvips at its best: one decode, as small as possible, and each size from the one before."""
    if library == "Debian":  # It reads HEIC; the library from PyPI does not.
        sys.modules["_libvips"] = None
    import pyvips

    def upload(source: Path) -> None:
        im = pyvips.Image.thumbnail_buffer(
            source.read_bytes(), 512, height=512, crop="centre", export_profile="srgb"
        ).copy_memory()
        # `strip` became `keep` in libvips 8.15.
        strip = {"keep": "none"} if pyvips.at_least_libvips(8, 15) else {"strip": True}
        for size in SIZES:
            im = im if size == 512 else im.thumbnail_image(size, height=size).copy_memory()
            im.write_to_file(str(folder / f"{size}.webp"), Q=80, effort=4, **strip)

    return upload


def vipsthumbnail(folder: Path) -> Upload:
    def upload(source: Path) -> None:
        for size in SIZES:
            target = f"{folder}/{size}.webp[Q=80]"
            square = ["-s", f"{size}x{size}", "--smartcrop", "centre"]
            command = ["vipsthumbnail", *square, "-o", target, str(source)]
            subprocess.run(command, check=True, capture_output=True)

    return upload


def zulip(folder: Path) -> Upload:
    """Zulip's way: libvips, one pass per size."""
    import pyvips

    def upload(source: Path) -> None:
        data = source.read_bytes()
        for size in SIZES:
            im = pyvips.Image.thumbnail_buffer(data, size, height=size, crop="centre")
            im.write_to_file(str(folder / f"{size}.webp"), Q=80)

    return upload


def tutorial(folder: Path) -> Upload:
    """The way of the tutorials: open, transpose, crop, resize, save, for each size."""
    from PIL import Image, ImageOps

    register_heif()

    def upload(source: Path) -> None:
        for size in SIZES:
            im = ImageOps.exif_transpose(Image.open(source))
            side = min(im.size)
            left, top = (im.width - side) // 2, (im.height - side) // 2
            im = im.crop((left, top, left + side, top + side)).resize((size, size))
            im.save(folder / f"{size}.webp", quality=80)

    return upload


def register_heif() -> None:
    """Let Pillow open HEIC, as a project would."""
    from pillow_heif import register_heif_opener

    register_heif_opener()


def set_up_django(folder: Path, *apps: str, **settings: Any) -> None:
    """Set up the minimum that a package needs: a folder for media, a database in memory."""
    import django
    from django.conf import settings as django_settings
    from django.core.management import call_command

    register_heif()
    needed = ("django.contrib.contenttypes", "django.contrib.auth")
    django_settings.configure(
        INSTALLED_APPS=[*needed, *apps],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        MEDIA_ROOT=folder,
        MEDIA_URL="/media/",
        USE_TZ=True,
        **settings,
    )
    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)


def make_model(**fields: Any) -> Any:
    from django.db import models

    meta = SimpleNamespace(app_label="bench")
    return type("Person", (models.Model,), {"Meta": meta, "__module__": "bench", **fields})


def store(instance: Any, source: Path) -> Any:
    """Store the upload in the `photo` field of an instance; return the field's file."""
    from django.core.files import File

    with source.open("rb") as file:
        instance.photo.save("photo" + source.suffix, File(file), save=False)
    return instance.photo


def imagekit(folder: Path) -> Upload:
    set_up_django(folder, "imagekit", IMAGEKIT_CACHEFILE_DIR="cache")
    from django.db import models
    from imagekit.models import ImageSpecField
    from imagekit.processors import ResizeToFill, Transpose

    def spec(size: int) -> ImageSpecField:
        steps = [Transpose(), ResizeToFill(size, size)]
        return ImageSpecField(steps, "WEBP", {"quality": 80}, source="photo")

    fields = {f"photo_{size}": spec(size) for size in SIZES}
    person = make_model(photo=models.ImageField(), **fields)

    def upload(source: Path) -> None:
        instance = person()
        store(instance, source)
        for size in SIZES:
            getattr(instance, f"photo_{size}").generate(force=True)

    return upload


def easy_thumbnails(folder: Path) -> Upload:
    set_up_django(folder, "easy_thumbnails", THUMBNAIL_PRESERVE_EXTENSIONS=["webp"])
    from easy_thumbnails.fields import ThumbnailerImageField

    person = make_model(photo=ThumbnailerImageField())

    def upload(source: Path) -> None:
        photo = store(person(), source)
        photo.thumbnail_extension = "webp"
        for size in SIZES:
            photo.get_thumbnail({"size": (size, size), "crop": True, "quality": 80})

    return upload


def sorl(folder: Path, engine: str) -> Upload:
    engine = f"sorl.thumbnail.engines.{engine}_engine.Engine"
    set_up_django(folder, "sorl.thumbnail", THUMBNAIL_ENGINE=engine)
    from django.db import models
    from sorl.thumbnail import delete, get_thumbnail

    person = make_model(photo=models.ImageField())

    def upload(source: Path) -> None:
        photo = store(person(), source)
        delete(photo, delete_file=False)  # It caches the previous upload by the file's name.
        for size in SIZES:
            get_thumbnail(photo, f"{size}x{size}", crop="center", format="WEBP", quality=80)

    return upload


def pictures(folder: Path) -> Upload:
    # One "density" for each width: otherwise it makes all multiples of a column, not these four.
    densities = [size / 512 for size in SIZES]
    options = {"FILE_TYPES": ["WEBP"], "CONTAINER_WIDTH": 512, "GRID_COLUMNS": 1}
    set_up_django(folder, PICTURES={**options, "PIXEL_DENSITIES": densities})
    from pictures.models import PictureField

    person = make_model(photo=PictureField(aspect_ratios=["1/1"]))

    def upload(source: Path) -> None:
        store(person(), source)

    return upload


def stdimage(folder: Path) -> Upload:
    set_up_django(folder)
    from stdimage import StdImageField

    variations = {f"size{size}": (size, size, True) for size in SIZES}
    person = make_model(photo=StdImageField(variations=variations))

    def upload(source: Path) -> None:
        store(person(), source)

    return upload


def avatar(folder: Path) -> Upload:
    options = {"THUMB_FORMAT": "WEBP", "THUMB_QUALITY": 80, "AUTO_GENERATE_SIZES": SIZES}
    set_up_django(folder, "avatar", **{f"AVATAR_{name}": value for name, value in options.items()})
    from avatar.models import Avatar
    from django.contrib.auth.models import User
    from django.core.files import File

    ada = User.objects.create(username="ada")

    def upload(source: Path) -> None:
        with source.open("rb") as file:
            Avatar.objects.create(user=ada, avatar=File(file, "photo" + source.suffix))

    return upload


def versatile(folder: Path) -> Upload:
    quality = {"jpeg_resize_quality": 80, "webp_resize_quality": 80}
    set_up_django(folder, "versatileimagefield", VERSATILEIMAGEFIELD_SETTINGS=quality)
    from django.core.cache import cache
    from versatileimagefield.fields import VersatileImageField

    person = make_model(photo=VersatileImageField())

    def upload(source: Path) -> None:
        photo = store(person(), source)
        cache.clear()  # It caches the previous upload by the file's name.
        for size in SIZES:
            _ = photo.crop[f"{size}x{size}"].url

    return upload


CONTESTANTS: dict[str, Callable[[Path], Upload]] = {
    "Likeness": likeness,
    "pyvips, one decode": partial(pyvips, library="PyPI"),
    "pyvips, Debian's libvips": partial(pyvips, library="Debian"),
    "Zulip's way (pyvips)": zulip,
    "vipsthumbnail": vipsthumbnail,
    "the tutorial way": tutorial,
    "django-stdimage": stdimage,
    "sorl-thumbnail, vips": partial(sorl, engine="vips"),
    "sorl-thumbnail, Pillow": partial(sorl, engine="pil"),
    "django-versatileimagefield": versatile,
    "easy-thumbnails": easy_thumbnails,
    "django-imagekit": imagekit,
    "django-avatar": avatar,
    "django-pictures": pictures,
}
