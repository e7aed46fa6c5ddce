"""What is removed from a picture, and what a visitor is told of it."""

import re
import struct
import zlib

import pytest
from PIL import Image
from PIL.ExifTags import IFD

from .helpers.avatars import (
    ALL_FORMATS,
    BLUE,
    FORMATS,
    PNG,
    RED,
    draw_half,
    list_colours,
    make,
    near,
    show,
)
from .helpers.cells import watch_cells
from .helpers.pictures import (
    QUARTERS,
    draw,
    draw_as,
    draw_jpeg,
    encode,
    list_parts,
    make_chunk,
    make_exif,
    make_exif_bomb,
    make_png,
    make_segment,
    swap_red_and_blue,
)

SECRETS = re.compile(rb"Fotofabrik|Augapfel|2026:01:02|Ada Lovelace|Whispered|W3C-ish|acsp")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><Whispered exif:GPSLatitude="51,30N"/></x:xmpmeta>'


@pytest.mark.parametrize("kind", FORMATS)
def test_no_file_contains_the_photos_metadata(kind: str) -> None:
    options: dict[str, object] = {"exif": make_exif(), "xmp": XMP, "comment": b"Whispered"}
    data = encode(draw(), kind, icc_profile=swap_red_and_blue(), **options)
    assert SECRETS.search(data)
    for ending, content in make(data).files.items():
        webp, jpeg = {b"VP8 ", b"VP8L"}, {b"\xe0", b"\xdb", b"\xc0", b"\xc4"}
        parts = webp if ending.endswith("webp") else jpeg
        assert list_parts(content) <= parts
        assert not SECRETS.search(content)


def test_no_file_contains_a_transparent_pictures_metadata() -> None:
    data = encode(draw_half(BLUE, RED), "PNG", exif=make_exif(), icc_profile=swap_red_and_blue())
    for ending, content in make(data).files.items():
        if ending.endswith("webp"):
            assert list_parts(content) <= {b"VP8X", b"ALPH", b"VP8 ", b"VP8L"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_kinds_of_removed_metadata_are_listed(kind: str) -> None:
    data = encode(draw(), kind, exif=make_exif())
    assert make(data).removed == ("place", "camera", "date", "author")


def test_the_time_written_by_a_camera_is_listed() -> None:
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[0x9003] = "2026:01:02 03:04:05"
    assert make(draw_jpeg(exif=exif)).removed == ("date",)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "PNG"])
def test_a_place_in_xmp_is_listed(kind: str) -> None:
    if kind == "PNG":
        text = make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
        data = make_png(8, 2, bytes(192), text)
    else:
        data = encode(draw(), kind, xmp=XMP)
    assert make(data).removed == ("place",)


IPTC = {"place": 90, "date": 55, "author": 80, "edits": 65, "comment": 120}


@pytest.mark.parametrize("kind", IPTC)
def test_metadata_in_iptc_is_listed(kind: str) -> None:
    said = b"\x1c\x02\x00\x00\x02\x00\x04" + bytes([0x1C, 2, IPTC[kind], 0, 4]) + b"Whis"
    block = b"8BIM\x04\x04\0\0" + struct.pack(">L", len(said)) + said + b"\0" * (len(said) % 2)
    photo = draw_jpeg()
    data = photo[:2] + make_segment(0xED, b"Photoshop 3.0\0" + block) + photo[2:]
    assert make(data).removed == (kind,)


@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
def test_a_comment_is_listed(kind: str) -> None:
    assert make(encode(draw(), kind, comment=b"Whispered")).removed == ("comment",)


@pytest.mark.parametrize("kind", ALL_FORMATS)
def test_for_a_picture_without_metadata_nothing_is_listed(kind: str) -> None:
    assert make(draw_as(kind)).removed == ()


def test_an_orientation_alone_is_not_listed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert make(draw_jpeg(exif=exif)).removed == ()


@pytest.mark.parametrize(
    "exif",
    [b"", b"MM", b"MM\0*\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"nonsense" * 99],
)
def test_broken_exif_is_ignored(exif: bytes) -> None:
    assert list_colours(show(draw_jpeg(exif=b"Exif\0\0" + exif))) == near(*QUARTERS)


@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_directory_that_points_nowhere_does_not_hide_the_others(endian: str) -> None:
    exif = make_exif()
    exif.endian = endian
    exif.get_ifd(IFD.Exif)[0x9003] = "2026:01:02 03:04:05"
    block = exif.tobytes()
    at = block.index(struct.pack(endian + "HHL", IFD.Exif, 4, 1)) + 8
    avatar = make(draw_jpeg(exif=block[:at] + b"\x7f" * 4 + block[at + 4 :]))
    assert avatar.removed == ("place", "camera", "date", "author")


def test_exif_tags_that_all_point_to_the_same_bytes_are_not_followed() -> None:
    with watch_cells() as cells:
        make(draw_jpeg(exif=make_exif_bomb()))
    assert cells[0].megabytes < 60  # To follow them takes 300 MB.


def test_the_place_in_a_long_xmp_of_a_png_is_listed() -> None:
    history = b"<!--" + bytes(500_000) + b"-->"
    xmp = zlib.compress(history + XMP + history * 2)
    data = PNG[:33] + make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + xmp) + PNG[33:]
    assert make(data).removed == ("place",)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_xmp_in_the_wrong_kind_of_text_is_a_comment(kind: bytes) -> None:
    data = PNG[:33] + make_chunk(kind, b"XML:com.adobe.xmp\0" + XMP) + PNG[33:]
    assert make(data).removed == ("comment",)
