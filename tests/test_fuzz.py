"""Valid pictures of every format, damaged at random.

LIKENESS_FUZZ=100000 tries that many of each format; otherwise 300 in CI and 30 elsewhere.
"""

import os
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from profiles.pictures.cell import make_avatar
from profiles.pictures.limits import Refused
from profiles.pictures.names import Sizes

from .helpers.cells import watch_cells
from .helpers.corpus import CORPUS
from .helpers.pictures import draw, draw_jpeg, encode, make_exif, make_heic
from .test_corpus import GOOD, HOSTILE

pytestmark = pytest.mark.slow

SOURCES = {
    "JPEG": draw_jpeg(96, 64, exif=make_exif(6)),
    "progressive": draw_jpeg(96, 64, progressive=True),
    "CMYK": encode(draw(96, 64, "CMYK"), "JPEG"),
    "PNG": encode(draw(96, 64, "RGBA"), "PNG", exif=make_exif(6)),
    "palette": encode(draw(96, 64, "P"), "PNG", transparency=1),
    "WebP": encode(draw(96, 64), "WEBP", exif=make_exif(6)),
    "lossless": encode(draw(96, 64), "WEBP", lossless=True),
    "GIF": encode(draw(96, 64, "P"), "GIF", save_all=True, append_images=[draw(96, 64, "P")]),
    "AVIF": encode(draw(96, 64), "AVIF", exif=make_exif(6)),
    "HEIC": make_heic(),
}
# The pictures of the corpus that are quick to open.
REAL = [
    path
    for row in GOOD + HOSTILE
    if (path := CORPUS / row["folder"] / row["file"]).stat().st_size < 100_000
]
# Position, number of bytes to remove, and bytes to insert.
damages = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 64), st.binary(max_size=16)),
    min_size=1,
    max_size=6,
)


many = settings(
    max_examples=int(os.environ.get("LIKENESS_FUZZ", "300" if os.environ.get("CI") else "30")),
    derandomize="LIKENESS_FUZZ" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", SOURCES)
@many
@given(damages=damages)
def test_a_damaged_picture_is_refused_or_accepted_completely(
    name: str, damages: list[tuple[int, int, bytes]]
) -> None:
    check_damaged(SOURCES[name], damages)


@pytest.mark.skipif(not REAL, reason="Set LIKENESS_CORPUS to damage real pictures, too.")
@many
@given(path=st.sampled_from(REAL or [CORPUS]), damages=damages)
def test_a_damaged_picture_of_the_corpus_is_refused_or_accepted_completely(
    path: Path, damages: list[tuple[int, int, bytes]]
) -> None:
    check_damaged(path.read_bytes(), damages)


def check_damaged(data: bytes, damages: list[tuple[int, int, bytes]]) -> None:
    """Damage a picture; fail unless it is refused or made into five whole files."""
    for place, length, bytes_ in damages:
        at = place % (len(data) + 1)
        data = data[:at] + bytes_ + data[at + length :]
    refusal, files = "", {}
    with watch_cells() as cells:
        try:
            files = make_avatar(BytesIO(data)).files
        except Refused as refused:
            refusal = refused.code
    [ended] = cells  # A decoder may crash in its cell, but the zygote must not.
    assert getattr(ended, "signal", "") != "no signal"  # A cell that survives must answer.
    assert refusal or list(files) == Sizes().endings
    for content in files.values():
        im = Image.open(BytesIO(content))
        im.load()
        assert im.width == im.height
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(im.info)
