"""What an avatar's files are called, and the headers that go with them. No Django."""

SIZES = (512, 256, 128, 64)
LINK_PREVIEW_SIZE = 256
PROTECTED = "protected/"
# The row holds the name of the largest file; those of the others have the same stem.
NAME_ENDING = f"{SIZES[0]}.webp"
ENDINGS = [f"{size}.webp" for size in SIZES] + [f"{LINK_PREVIEW_SIZE}.jpg"]
# Stands in the name of a drawing so small that pages should show its pixels, not blur them.
PIXEL_ART, MAX_PIXEL_ART_SIDE = "-pixels", 64
CONTENT_TYPES = {"webp": "image/webp", "jpg": "image/jpeg"}
# A name never changes its meaning, so browsers keep it for a year. A shared cache asks again
# after an hour, so that what was deleted or hidden is gone from there by then.
PUBLIC = "public, max-age=31536000, s-maxage=3600, immutable"
PRIVATE = "private, max-age=3600"


def make_name(prefix: str, token: str, is_pixel_art: bool) -> str:
    """Return the name of an avatar's largest file."""
    return f"{prefix}{token[:2]}/{token}{PIXEL_ART * is_pixel_art}-{NAME_ENDING}"


def is_marked(name: str) -> bool:
    """Return whether a name says that pages should show the pixels."""
    return name.endswith(f"{PIXEL_ART}-{NAME_ENDING}")


def list_names(name: str) -> list[str]:
    """Return the names of all files of an avatar; none where there is no avatar."""
    stem = name.rpartition("-")[0]
    # The name itself, too, which may be of a size that there is no more.
    return list({name: 0, **{f"{stem}-{ending}": 0 for ending in ENDINGS}}) if name else []


def get_headers(name: str) -> dict[str, str]:
    """Return what a file is and who may keep it for how long, as HTTP says it."""
    content_type = CONTENT_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    cache_control = PRIVATE if name.startswith(PROTECTED) else PUBLIC
    return {"Content-Type": content_type, "Cache-Control": cache_control}
