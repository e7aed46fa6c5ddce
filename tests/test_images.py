"""`images.make_avatar`: bytes in, finished files out."""

import random
import re
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageStat
from PIL.ExifTags import IFD

from profiles.pictures import cell
from profiles.pictures.avatar import Avatar, Crop
from profiles.pictures.limits import Refused
from profiles.pictures.names import Sizes
from profiles.pictures.pipeline.colours import MAX_PROFILE_BYTES

from .helpers.cells import check_cost, watch_cells
from .helpers.pictures import (
    QUARTERS,
    STORED,
    crop_avif,
    draw,
    draw_as,
    draw_jpeg,
    draw_noise,
    encode,
    list_parts,
    make_animation,
    make_box,
    make_chunk,
    make_claim,
    make_exif,
    make_exif_bomb,
    make_heic,
    make_png,
    make_scans,
    make_segment,
    store_turned,
    swap_red_and_blue,
)

# The names of formats in Pillow, and for visitors.
FORMATS = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "GIF": "GIF", "AVIF": "AVIF"}
ALL_FORMATS = FORMATS | {"HEIC": "HEIC"}
TWO_COLOURS = make_chunk(b"PLTE", b"abcdef")
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
JPEG, PNG = draw_jpeg(64, 64), draw_as("PNG")


def make(data: bytes, **crop: Any) -> Avatar:
    return cell.make_avatar(BytesIO(data), Crop(**crop))


def show(data: bytes, **crop: Any) -> Image.Image:
    """Return the largest file of the avatar made of a picture."""
    return Image.open(BytesIO(make(data, **crop).files["512.webp"]))


def find_refusal(data: bytes) -> str:
    """Return the code of a picture's refusal."""
    with pytest.raises(Refused) as caught:
        make(data)
    return caught.value.code


def list_colours(im: Image.Image) -> list[Any]:
    """Return the colours in the middle of the four quarters."""
    im, n = im.convert("RGB"), im.width
    return [im.getpixel((x * n // 4, y * n // 4)) for y in (1, 3) for x in (1, 3)]


def near(*colours: tuple[int, ...]) -> Any:
    """Return an approximation that allows for the errors of a lossy format."""
    return [pytest.approx(colour, abs=8) for colour in colours]


def find_transparency(im: Image.Image) -> list[Any]:
    return [im.getchannel("A").getpixel((x * im.width // 4, im.width // 4)) for x in (1, 3)]


def draw_three(turned: bool = False) -> Image.Image:
    """Draw three squares in a row: red, green, blue."""
    im = Image.new("RGB", (300, 100), RED)
    im.paste(GREEN, (100, 0, 200, 100))
    im.paste(BLUE, (200, 0, 300, 100))
    return im.transpose(Image.Transpose.ROTATE_270) if turned else im


def draw_half(colour: tuple[int, ...], hidden: tuple[int, ...], side: int = 64) -> Image.Image:
    """Draw a picture whose right half is transparent, but has a colour."""
    im = Image.new("RGBA", (side, side), (*colour, 255))
    im.paste((*hidden, 0), (side // 2, 0, side, side))
    return im


# What is accepted


@pytest.mark.parametrize("kind", ALL_FORMATS)
def test_every_format_is_recognized(kind: str) -> None:
    avatar = make(draw_as(kind))
    assert (avatar.format, avatar.width, avatar.height) == (ALL_FORMATS[kind], 64, 64)
    assert list_colours(Image.open(BytesIO(avatar.files["512.webp"]))) == near(*QUARTERS)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_is_used(kind: str) -> None:
    avatar = show(make_animation(kind))
    assert not getattr(avatar, "is_animated", False)
    assert list_colours(avatar) == near(*QUARTERS)


ANIMATED: dict[str, dict[str, Any]] = {
    "GIF": {"disposal": 2},
    "WEBP": {"lossless": True},
    "PNG": {},
}
CLEAR = Image.new("RGBA", (64, 64), (0, 0, 0, 0))


def animate(kind: str, *frames: Image.Image) -> bytes:
    first, *others = frames
    return encode(first, kind, save_all=True, append_images=others, **ANIMATED[kind])


@pytest.mark.parametrize("kind", ANIMATED)
def test_empty_frames_at_the_start_of_an_animation_are_skipped(kind: str) -> None:
    shown = draw(64, 64, "RGBA")
    assert list_colours(show(animate(kind, CLEAR, CLEAR, shown))) == near(*QUARTERS)


@pytest.mark.parametrize("kind", ANIMATED)
def test_frames_without_contrast_at_the_start_are_skipped(kind: str) -> None:
    white, shown = Image.new("RGB", (64, 64), "white"), draw(64, 64)
    faded = [Image.blend(white, shown, part) for part in (0, 0.02, 0.05, 1)]
    assert list_colours(show(animate(kind, *faded))) == near(*QUARTERS)


def test_an_animation_in_one_colour_becomes_that_colour() -> None:
    flat = [CLEAR, *(Image.new("RGBA", (64, 64), (200, n, n, 255)) for n in (0, 9))]
    assert list_colours(show(animate("WEBP", *flat))) == near(*[(200, 0, 0)] * 4)


def test_at_most_twenty_frames_are_examined() -> None:
    def count(empty: int) -> bytes:
        clear = [Image.new("RGBA", (64, 64), (n, 0, 0, 0)) for n in range(empty)]
        return animate("PNG", *clear, draw(64, 64, "RGBA"))

    assert list_colours(show(count(19))) == near(*QUARTERS)
    assert find_refusal(count(20)) == "blank"


def test_if_the_second_frame_is_broken_the_first_is_used() -> None:
    data = animate("GIF", Image.new("RGB", (64, 64), "teal"), draw_noise(64))
    assert list_colours(show(data[: len(data) // 2])) == near(*[(0, 128, 128)] * 4)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "GIF"])
def test_a_transparent_picture_is_refused(kind: str) -> None:
    assert find_refusal(encode(CLEAR, kind)) == "blank"


def test_an_almost_transparent_picture_is_refused() -> None:
    assert find_refusal(encode(Image.new("RGBA", (64, 64), (255, 0, 0, 3)), "PNG")) == "blank"


def test_an_animation_of_little_contrast_keeps_its_first_frame() -> None:
    grey = Image.new("RGB", (64, 64), (100, 100, 100))
    grey.paste((160, 160, 160), (0, 0, 32, 64))
    made = show(animate("PNG", grey, draw(64, 64)))
    assert list_colours(made) == near((160,) * 3, (100,) * 3, (160,) * 3, (100,) * 3)


def test_a_transparent_square_is_refused_and_another_is_accepted() -> None:
    data = encode(draw_half(BLUE, RED, 200), "PNG")
    with pytest.raises(Refused, match="blank"):
        make(data, x=120, y=0, size=80)
    assert list_colours(show(data, x=0, y=0, size=80)) == near(*[BLUE] * 4)


def test_a_picture_in_one_colour_is_accepted() -> None:
    teal = encode(Image.new("RGB", (64, 64), "teal"), "PNG")
    assert list_colours(show(teal)) == near(*[(0, 128, 128)] * 4)


def test_an_animation_with_a_false_number_of_frames_is_accepted() -> None:
    lie = make_chunk(b"acTL", b"\x7f\xff\xff\xff\0\0\0\0")
    data = re.sub(rb"(?s)....acTL.{12}", lambda match: lie, make_animation("PNG"), count=1)
    assert list_colours(show(data)) == near(*QUARTERS)


def test_of_two_pictures_in_a_file_the_first_is_used() -> None:
    data = encode(draw(1600, 1500), "MPO", save_all=True, append_images=[draw_three()])
    avatar = make(data)
    assert (avatar.format, avatar.width, avatar.height) == ("JPEG", 1600, 1500)
    assert list_colours(show(data)) == near(*QUARTERS)


@pytest.mark.parametrize("trailer", [b"\xff\xda" * 200, b"\0" * 5000, b"<script>"])
def test_data_after_a_photo_is_ignored(trailer: bytes) -> None:
    assert list_colours(show(draw_jpeg() + trailer)) == near(*QUARTERS)


# Upright


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_phone_photo_comes_out_upright(kind: str, orientation: int) -> None:
    data = store_turned(draw(320, 240), orientation, kind)
    avatar = make(data)
    assert (avatar.width, avatar.height) == (320, 240)
    assert list_colours(show(data)) == near(*QUARTERS)


CROPS = {
    0: (100, 100, -50, -50),
    1: (100, 100, 50, -50),
    2: (100, 100, -50, 50),
    3: (100, 100, 50, 50),
}


@pytest.mark.parametrize("quarter", CROPS)
def test_cropped_parts_of_an_avif_are_not_shown(quarter: int) -> None:
    right, down = quarter % 2 * 100 - 50, quarter // 2 * 100 - 50
    avatar = make(crop_avif(encode(draw(200, 200), "AVIF"), 100, 100, right, down))
    assert (avatar.width, avatar.height, avatar.side) == (100, 100, 100)
    made = Image.open(BytesIO(avatar.files["512.webp"]))
    assert list_colours(made) == near(*[QUARTERS[quarter]] * 4)


@pytest.mark.parametrize("crop", [(201, 100, 0, 0), (100, 100, 51, 0), (101, 100, 0, 0)])
def test_an_invalid_crop_is_ignored(crop: tuple[int, int, int, int]) -> None:
    avatar = make(crop_avif(encode(draw(200, 200), "AVIF"), *crop))
    assert (avatar.width, avatar.height) == (200, 200)


def test_an_avif_cropped_to_less_than_a_picture_needs_is_refused() -> None:
    assert find_refusal(crop_avif(encode(draw(200, 200), "AVIF"), 30, 100, 0, 0)) == "small"


@pytest.mark.parametrize("orientation", STORED)
def test_a_cropped_avif_stored_sideways_is_turned_upright(orientation: int) -> None:
    # The shown part of the stored picture is a corner.
    turn = STORED[orientation]
    stored = draw(200, 200) if turn is None else draw(200, 200).transpose(turn)
    data = encode(stored, "AVIF", exif=make_exif(orientation))
    corner: Any = stored.getpixel((5, 5))
    avatar = make(crop_avif(data, 80, 60, -60, -70))
    assert (avatar.width, avatar.height) == ((60, 80) if orientation >= 5 else (80, 60))
    made = Image.open(BytesIO(avatar.files["512.webp"]))
    assert list_colours(made) == near(*[corner] * 4)


def test_a_crop_among_unknown_boxes_counts() -> None:
    data = crop_avif(encode(draw(200, 200), "AVIF"), 100, 100, -50, -50)
    unknown = make_box(b"abcd", b"x" * 20)
    avatar = make(data + unknown * 2)
    assert (avatar.width, avatar.height) == (100, 100)


@pytest.mark.parametrize(("turns", "orientation"), [(0, 1), (1, 6), (2, 3), (3, 8)])
def test_a_heic_is_turned_as_its_container_says(turns: int, orientation: int) -> None:
    stored = Image.open(BytesIO(store_turned(draw(64, 64), orientation, "PNG")))
    assert list_colours(show(make_heic(turns))) == near(*list_colours(stored))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    exif = make_exif(orientation)
    assert list_colours(show(draw_jpeg(exif=exif))) == near(*QUARTERS)


# The square


@pytest.mark.parametrize(
    ("turned", "keep", "colour"),
    [
        (turned, keep, colour)
        for turned in (False, True)
        for keep, colour in (("start", RED), ("middle", GREEN), ("end", BLUE))
    ],
)
def test_the_visitor_chooses_which_part_to_keep(
    turned: bool, keep: str, colour: tuple[int, int, int]
) -> None:
    im = draw_three(turned)
    assert list_colours(show(encode(im, "PNG"), keep=keep)) == near(*[colour] * 4)
    phone = store_turned(im, 6, "PNG")
    assert list_colours(show(phone, keep=keep)) == near(*[colour] * 4)


@pytest.mark.parametrize(
    ("crop", "colour", "side"),
    [
        ({"x": 10**9, "y": -5, "size": 100}, BLUE, 100),
        ({"x": -(10**9), "y": 10**9, "size": 100}, RED, 100),
        ({"x": 150, "y": 50, "size": 1}, GREEN, 32),
        ({"x": 150, "y": 50, "size": -7}, GREEN, 32),
        ({"x": 400, "y": 400, "size": 10**9}, BLUE, 100),
    ],
)
def test_a_square_beyond_the_picture_is_moved_into_it(
    crop: dict[str, int], colour: tuple[int, int, int], side: int
) -> None:
    data = encode(draw_three(), "PNG")
    assert make(data, **crop).side == side
    assert show(data, **crop).size == (side, side)
    assert list_colours(show(data, **crop)) == near(*[colour] * 4)


def list_edges(data: bytes, **crop: int) -> list[float]:
    """Return the brightness of the outermost rows and columns, of 255."""
    im = show(data, **crop).convert("L")
    n = im.width
    boxes = [(0, 8, 1, n - 8), (8, 0, n - 8, 1), (n - 1, 8, n, n - 8), (8, n - 1, n - 8, n)]
    return [ImageStat.Stat(im.crop(box)).mean[0] for box in boxes]


@pytest.mark.parametrize("orientation", STORED)
# Sides for which a JPEG is decoded in full, and to a half, a quarter and an eighth of its size.
@pytest.mark.parametrize("side", [700, 1441, 2871, 5741])
def test_the_square_is_the_chosen_one_to_the_pixel(side: int, orientation: int) -> None:
    im = Image.new("L", (side + 270, side + 162))
    im.paste(255, (101, 57, 101 + side, 57 + side))
    data = store_turned(im, orientation, quality=95)
    assert min(list_edges(data, x=101, y=57, size=side)) > 217
    assert max(list_edges(data, x=99, y=55, size=side + 4)) < 212


# Sizes


@pytest.mark.parametrize(
    ("side", "sides"),
    [(1000, [512, 256, 128, 64]), (300, [300, 256, 128, 64]), (100, [100, 100, 100, 64])],
)
def test_every_size_is_there_and_none_is_enlarged(side: int, sides: list[int]) -> None:
    files = make(draw_jpeg(side + 10, side)).files
    assert sorted(files) == sorted([*(f"{size}.webp" for size in Sizes().widths), "256.jpg"])
    for size, expected in zip(Sizes().widths, sides, strict=True):
        im = Image.open(BytesIO(files[f"{size}.webp"]))
        assert (im.format, im.size) == ("WEBP", (expected, expected))
        assert list_colours(im) == near(*QUARTERS)
    preview = Image.open(BytesIO(files["256.jpg"]))
    assert (preview.format, preview.size) == ("JPEG", (sides[1], sides[1]))
    assert list_colours(preview) == near(*QUARTERS)


# Colours


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_colours_are_those_of_the_embedded_profile(kind: str, mode: str) -> None:
    data = encode(Image.new(mode, (64, 64), RED), kind, icc_profile=swap_red_and_blue())
    assert list_colours(show(data)) == near(*[BLUE] * 4)


def test_a_transparent_picture_with_a_profile_stays_transparent() -> None:
    im = show(encode(draw_half(RED, GREEN), "PNG", icc_profile=swap_red_and_blue()))
    assert find_transparency(im) == [255, 0]
    assert list_colours(im)[:3:2] == near(BLUE, BLUE)


def test_a_photo_with_a_profile_is_turned_and_converted() -> None:
    data = store_turned(draw(), 8, icc_profile=swap_red_and_blue())
    assert list_colours(show(data)) == near(*[colour[::-1] for colour in QUARTERS])


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile at all",
        swap_red_and_blue()[:300],
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
        swap_red_and_blue() + bytes(MAX_PROFILE_BYTES),
    ],
    ids=["nonsense", "cut", "unfit", "endless"],
)
def test_a_useless_profile_is_ignored(profile: bytes) -> None:
    assert list_colours(show(draw_jpeg(icc_profile=profile))) == near(*QUARTERS)


def test_a_picture_for_print_keeps_its_colours() -> None:
    assert list_colours(show(encode(draw(mode="CMYK"), "JPEG"))) == near(*QUARTERS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_a_grey_picture_stays_grey(kind: str) -> None:
    grey = draw(mode="L")
    assert list_colours(show(encode(grey, kind))) == near(*list_colours(grey.resize((64, 64))))


@pytest.mark.parametrize("chunks", [(), (make_chunk(b"tRNS", b"\x12\x34"),)])
def test_a_scan_with_16_bits_of_grey_does_not_turn_white(chunks: tuple[bytes, ...]) -> None:
    data = make_png(16, 0, b"\x80\x00" * 64, *chunks)
    assert list_colours(show(data)) == near(*[GREY] * 4)


def test_16_bits_of_colour_keep_their_colours() -> None:
    row = b"\xdc\xdc\x28\x28\x28\x28" * 32 + b"\x28\x28\xb4\xb4\x3c\x3c" * 32
    assert list_colours(show(make_png(16, 2, row))) == near(*QUARTERS[:2] * 2)


@pytest.mark.parametrize("mode", ["1", "P"])
def test_fine_lines_are_smoothed_not_dropped(mode: str) -> None:
    stripes = Image.frombytes("1", (1024, 1024), b"\xaa" * 128 * 1024).convert(mode)
    assert list_colours(show(encode(stripes, "PNG"))) == near(*[GREY] * 4)


# Transparency


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "GIF"])
def test_transparency_is_kept_and_is_white_in_the_link_preview(kind: str) -> None:
    files = make(encode(draw_half(BLUE, RED), kind)).files
    for size in Sizes().widths:
        assert find_transparency(Image.open(BytesIO(files[f"{size}.webp"]))) == [255, 0]
    preview = Image.open(BytesIO(files["256.jpg"]))
    assert list_colours(preview) == near(BLUE, (255, 255, 255), BLUE, (255, 255, 255))


TRANSPARENT = {
    "grey": encode(draw_half(GREY, GREY).convert("LA"), "PNG"),
    "palette of RGBA": encode(draw_half(BLUE, RED).quantize(), "PNG"),
    "palette": make_png(8, 3, b"\0" * 32 + b"\1" * 32, TWO_COLOURS, make_chunk(b"tRNS", b"\xff\0")),
    "one colour": make_png(8, 2, b"abc" * 32 + b"d" * 96, make_chunk(b"tRNS", b"\0d\0d\0d")),
    "16 bits of grey": make_png(
        16, 0, b"\x80\x00" * 32 + b"\x80\x01" * 32, make_chunk(b"tRNS", b"\x80\x01")
    ),
    "16 bits of colour": make_png(
        16, 2, b"abcdef" * 32 + b"ghijkl" * 32, make_chunk(b"tRNS", b"ghijkl")
    ),
    "one bit": make_png(1, 0, b"\xff" * 4 + b"\0" * 4, make_chunk(b"tRNS", b"\0\0")),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_every_kind_of_transparency_is_kept(name: str) -> None:
    assert find_transparency(show(TRANSPARENT[name])) == [255, 0]


def test_the_colour_of_transparent_pixels_does_not_bleed() -> None:
    files = make(encode(draw_half(BLUE, RED, 902), "PNG")).files
    preview = Image.open(BytesIO(files["256.jpg"]))
    red, green, _ = preview.split()
    assert max(r - g for r, g in zip(red.tobytes(), green.tobytes(), strict=True)) < 16


def test_a_light_transparent_drawing_is_visible_in_the_link_preview() -> None:
    for colour, ground in (((250, 250, 245), (58, 58, 58)), (BLUE, (255, 255, 255))):
        preview = Image.open(BytesIO(make(encode(draw_half(colour, RED), "PNG")).files["256.jpg"]))
        assert list_colours(preview) == near(colour, ground, colour, ground)


def test_an_opaque_picture_has_no_alpha_channel() -> None:
    assert show(encode(draw(mode="RGBA"), "PNG")).mode == "RGB"


# What is removed

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


# What is refused

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>1</script></svg>'
NO_PICTURES = {"text": b"Dear Charles", "nothing": b"", "SVG": SVG} | {
    kind: encode(draw(), kind) for kind in ("BMP", "TIFF", "PDF", "PPM", "ICO", "TGA", "EPS")
}


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_other_file_types_are_refused(kind: str) -> None:
    assert find_refusal(NO_PICTURES[kind]) == "unreadable"


@pytest.mark.parametrize(("width", "height"), [(31, 600), (600, 31), (1, 1)])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_tiny_picture_is_refused(kind: str, width: int, height: int) -> None:
    with pytest.raises(Refused) as caught:
        make(draw_as(kind, width, height))
    assert caught.value.code == "small"
    assert caught.value.facts == {"width": width, "height": height, "limit": 32}


@pytest.mark.parametrize(
    ("kind", "width", "height", "limit"),
    [
        ("JPEG", 8125, 8001, 65),
        ("PNG", 5000, 5001, 25),
        ("GIF", 5000, 5001, 25),
        ("AVIF", 5000, 5001, 25),
        ("HEIC", 10_000, 5001, 50),
        ("WEBP", 4000, 4001, 16),
    ],
)
def test_a_large_picture_is_refused_by_its_header_alone(
    kind: str, width: int, height: int, limit: int
) -> None:
    with pytest.raises(Refused) as caught:
        make(make_claim(kind, width, height))
    facts = {"format": ALL_FORMATS[kind], "megapixels": limit + 1, "limit": limit}
    assert (caught.value.code, caught.value.facts) == ("large", facts)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_an_enormous_picture_is_refused_by_its_header_alone(kind: str) -> None:
    assert find_refusal(make_claim(kind, 30_000, 30_000)) == "enormous"


def test_a_heic_that_is_larger_than_it_says_is_refused() -> None:
    assert find_refusal(make_claim("HEIC", 33, 33)) == "broken"


@pytest.mark.parametrize("passes", [30, 1000])
def test_a_jpeg_of_many_scans_is_accepted_within_the_time_limit(passes: int) -> None:
    assert list_colours(show(make_scans(passes))) == near(*QUARTERS)


@pytest.mark.slow
def test_a_jpeg_of_too_many_scans_is_refused_at_the_time_limit() -> None:
    assert find_refusal(claim_pixels(make_scans(20_000), 3000, 3000)) == "heavy"


@pytest.mark.parametrize(("subsampling", "side", "limit"), [(0, 6000, 28), (2, 7000, 40)])
def test_a_progressive_jpeg_that_would_fill_the_memory_is_refused(
    subsampling: int, side: int, limit: int
) -> None:
    data = draw_jpeg(64, 64, progressive=True, subsampling=subsampling)
    with pytest.raises(Refused) as caught:
        make(claim_pixels(data, side, side))
    facts = {"megapixels": side * side // 1_000_000, "limit": limit}
    assert (caught.value.code, caught.value.facts) == ("progressive", facts)


def claim_pixels(progressive: bytes, width: int, height: int) -> bytes:
    """Return a progressive JPEG whose header claims another size than it has."""
    at = progressive.index(b"\xff\xc2") + 5
    return progressive[:at] + struct.pack(">HH", height, width) + progressive[at + 4 :]


@pytest.mark.slow
def test_an_avif_whose_frame_is_larger_than_it_says_is_refused() -> None:
    data = encode(Image.new("RGB", (12_000, 10_000), "teal"), "AVIF", speed=10, quality=20)
    at = data.index(b"ispe") + 8
    assert find_refusal(data[:at] + struct.pack(">LL", 4000, 4000) + data[at + 8 :]) == "heavy"


def test_a_heic_in_tiles_as_phones_write_it_is_accepted() -> None:
    assert list_colours(show(make_grid())) == near(*QUARTERS)


# Overlays, derived pictures and grids of grids: these can be nested, so that a few kilobytes cost
# minutes.
@pytest.mark.parametrize(
    ("whole", "part"), [(b"iovl", b"hvc1"), (b"iden", b"hvc1"), (b"grid", b"grid")]
)
def test_a_heic_of_nested_pictures_is_refused(whole: bytes, part: bytes) -> None:
    data = make_grid().replace(b"grid", whole).replace(b"hvc1\0", part + b"\0")
    assert find_refusal(data) == "unusual"


def test_a_heic_with_a_composed_alpha_is_refused() -> None:
    im = draw(64, 64, "RGBA")
    im.putalpha(Image.linear_gradient("L").resize((64, 64)))
    file = BytesIO()
    pillow_heif.from_pillow(im).save(file, quality=90)
    data = file.getvalue()
    assert make(data).format == "HEIC"
    first, _, second = data.partition(b"hvc1\0")
    laid = first + b"hvc1\0" + second.replace(b"hvc1\0", b"iovl\0", 1)
    assert laid != data
    assert find_refusal(laid) == "unusual"


def make_link(kind: bytes, start: int, *ends: int) -> bytes:
    """Return a reference from an item of a HEIC to others."""
    return make_box(kind, struct.pack(f">HH{len(ends)}H", start, len(ends), *ends))


SECOND = make_box(b"infe", b"\2\0\0\0\0\2\0\0hvc1\0")
DERIVED = make_box(b"infe", b"\2\0\0\0\0\3\0\0iden\0")
OTHERS = make_box(b"iinf", b"\0\0\0\0\0\1", SECOND)
# If one reader uses the first and another the last, one file is two pictures.
CROOKED = {
    "two shown": make_box(b"pitm", b"\0\0\0\0\0\2"),
    "two lists of items": OTHERS,
    "two lists of references": make_box(b"iref", bytes(4)) * 2,
    "two sets of parts": make_box(b"iref", bytes(4), make_link(b"dimg", 1, 1) * 2),
    "shown as a thumbnail": make_box(b"iref", bytes(4), make_link(b"thmb", 1, 1)),
    "its own layer": make_box(b"iref", bytes(4), make_link(b"auxl", 1, 1)),
    "a layer that is no picture": make_box(b"iref", bytes(4), make_link(b"auxl", 9, 1)),
}


@pytest.mark.parametrize("name", CROOKED)
def test_a_heic_that_can_be_read_in_two_ways_is_refused(name: str) -> None:
    assert find_refusal(put_into_meta(make_heic(), CROOKED[name])) == "unusual"


@pytest.mark.parametrize(
    ("count", "more"), [(1, SECOND), (2, b""), (2, make_box(b"free", SECOND)), (2, DERIVED)]
)
def test_a_heic_that_hides_items_is_refused(count: int, more: bytes) -> None:
    first = make_box(b"infe", b"\2\0\0\0\0\1\0\0hvc1\0")
    items = make_box(b"iinf", bytes(4), struct.pack(">H", count), first + more)
    data = make_heic()
    at = data.index(b"iinf") - 4
    (size,) = struct.unpack_from(">L", data, at)
    data = data[:at] + data[at + size :]
    at = data.index(b"meta")
    (whole,) = struct.unpack_from(">L", data, at - 4)
    data = data[: at - 4] + struct.pack(">L", whole - size) + data[at:]
    assert find_refusal(put_into_meta(data, items)) == "unusual"


def put_into_meta(heic: bytes, boxes: bytes) -> bytes:
    """Return a HEIC with further boxes in its `meta`; its picture's offset is then wrong."""
    at = heic.index(b"meta") - 4
    (size,) = struct.unpack_from(">L", heic, at)
    longer = struct.pack(">L", size + len(boxes))
    return heic[:at] + longer + heic[at + 4 : at + size] + boxes + heic[at + size :]


def test_a_very_wide_picture_is_accepted() -> None:
    avatar = make(draw_as("PNG", 300_000, 64))
    assert (avatar.width, avatar.height) == (300_000, 64)


def make_grid() -> bytes:
    """Return a HEIC of four tiles, a coloured quarter each."""
    file = BytesIO()
    pillow_heif.from_pillow(draw(128, 128)).save(file, tile_size=64, quality=90)
    return file.getvalue()


def test_a_profile_whose_stages_cost_minutes_is_ignored() -> None:
    profile = swap_red_and_blue()
    staged = profile.replace(b"cprt", b"D2B0", 1)
    assert staged != profile
    im = Image.new("RGB", (64, 64), RED)
    assert list_colours(show(encode(im, "PNG", icc_profile=staged))) == near(*[RED] * 4)


@pytest.mark.parametrize("kind", ALL_FORMATS)
def test_half_a_file_is_refused(kind: str) -> None:
    data = make_heic() if kind == "HEIC" else encode(draw_noise(100), kind)
    assert find_refusal(data[: len(data) // 2]) in ("cut", "unreadable")


LONG = bytes(1_500_000)
LONG_TEXTS = {
    "compressed": make_chunk(b"zTXt", b"k\0\0" + zlib.compress(LONG)),
    "in any language": make_chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(LONG)),
    "as it is": make_chunk(b"tEXt", b"k\0" + LONG),
}


@pytest.mark.parametrize("name", LONG_TEXTS)
def test_a_png_with_a_long_text_is_accepted_without_it(name: str) -> None:
    avatar = make(PNG[:33] + LONG_TEXTS[name] + PNG[33:])
    assert avatar.removed == ("comment",)
    assert list_colours(Image.open(BytesIO(avatar.files["512.webp"]))) == near(*QUARTERS)


def test_the_place_in_a_long_xmp_of_a_png_is_listed() -> None:
    history = b"<!--" + bytes(500_000) + b"-->"
    xmp = zlib.compress(history + XMP + history * 2)
    data = PNG[:33] + make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + xmp) + PNG[33:]
    assert make(data).removed == ("place",)


def test_the_profile_of_a_calibrated_monitor_is_not_too_long() -> None:
    profile = swap_red_and_blue() + random.Random(3).randbytes(1_300_000)
    data = encode(Image.new("RGB", (64, 64), RED), "PNG", icc_profile=profile)
    assert list_colours(show(data)) == near(*[BLUE] * 4)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_xmp_in_the_wrong_kind_of_text_is_a_comment(kind: bytes) -> None:
    data = PNG[:33] + make_chunk(kind, b"XML:com.adobe.xmp\0" + XMP) + PNG[33:]
    assert make(data).removed == ("comment",)


LATE = [make_chunk(b"cICP", b"\x0c\r\0\1"), make_chunk(b"CgBI", b"P\0 \6")]


@pytest.mark.parametrize("chunk", LATE)
def test_chunks_after_the_end_of_a_png_are_ignored(chunk: bytes) -> None:
    assert show(PNG + chunk).tobytes() == show(PNG).tobytes()


def test_colour_chunks_after_the_pixels_are_ignored() -> None:
    assert show(PNG[:-12] + LATE[0] + PNG[-12:]).tobytes() == show(PNG).tobytes()


def test_a_damaged_picture_is_not_reported_as_cut_off() -> None:
    damaged = PNG.replace(b"IDATx", b"IDATy")
    assert find_refusal(damaged) == "broken"
    # Phones write data after a HEIC that is not a box.
    assert find_refusal(make_claim("HEIC", 33, 33) + bytes(8) + b"\1\nphone" * 9) == "broken"


def test_a_png_for_an_iphone_app_has_its_own_refusal() -> None:
    assert find_refusal(PNG[:8] + make_chunk(b"CgBI", b"P\0 \6") + PNG[8:]) == "apple"


ODD_CHUNKS = {
    "palette missing": make_png(8, 3, bytes(64)),
    "more transparent colours than there are": make_png(
        8, 3, bytes(64), make_chunk(b"PLTE", b"abc"), make_chunk(b"tRNS", bytes(300))
    ),
    "colour beyond the palette": make_png(8, 3, b"\x07" * 64, make_chunk(b"PLTE", b"abc")),
    "text called transparency": make_png(
        8, 2, bytes(192), make_chunk(b"tEXt", b"transparency\0hello")
    ),
    "text called icc_profile": make_png(
        8, 2, bytes(192), make_chunk(b"tEXt", b"icc_profile\0hello")
    ),
    "text called exif": make_png(8, 2, bytes(192), make_chunk(b"tEXt", b"exif\0hello")),
    "text called xmp": make_png(8, 2, bytes(192), make_chunk(b"tEXt", b"xmp\0hello")),
}


def is_taken_or_refused(data: bytes) -> bool:
    """Return whether a picture becomes whole files or is refused, rather than an error."""
    try:
        files = make(data).files
    except Refused:
        return True
    return all(Image.open(BytesIO(content)).load() for content in files.values())


@pytest.mark.parametrize("name", ODD_CHUNKS)
def test_a_malformed_png_causes_no_error(name: str) -> None:
    assert is_taken_or_refused(ODD_CHUNKS[name])


@pytest.mark.parametrize("kind", ALL_FORMATS)
def test_a_damaged_file_causes_no_error(kind: str) -> None:
    chance = random.Random(kind)
    options = {"exif": make_exif(6), "icc_profile": swap_red_and_blue()}
    whole = make_heic() if kind == "HEIC" else encode(draw(64, 64), kind, **options)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 2, 8])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert is_taken_or_refused(bytes(data))


@pytest.mark.slow
def test_a_file_in_too_many_pieces_is_refused() -> None:
    # It takes minutes, since each piece of EXIF is appended to those before.
    pieces = b"\xff\xe1\0\x0eExif\0\0MM\0*\0\0" * 1_200_000
    assert find_refusal(JPEG[:2] + pieces + JPEG[2:]) == "heavy"


BLOCKS = make_segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 4000)
TABLE = make_segment(0xDB, b"\0" + bytes([1] * 64))
TEXTS = b"".join(make_chunk(b"tEXt", b"k%d\0v" % number) for number in range(190_000))
LARGE_PNG = encode(Image.new("RGB", (5000, 5000), "teal"), "PNG")
# They took up to 5.6 s, since a picture that is cut off is opened twice.
EXPENSIVE = {
    "with millions of comments": JPEG[:2] + b"\xff\xfe\0\2" * 4_500_000 + JPEG[2:],
    "broken off, with Photoshop's blocks": JPEG[:2] + BLOCKS * 200 + JPEG[2:-2],
    "broken off, with tables": JPEG[:2] + TABLE * 250_000 + JPEG[2:-2],
    "large, with texts": LARGE_PNG[:33] + TEXTS + LARGE_PNG[33:],
    "small, with a million texts": PNG[:33] + make_chunk(b"tEXt", b"a\0b") * 1_200_000 + PNG[33:],
    "with a million crumbs of data": PNG[:-12] + make_chunk(b"IDAT", b"a") * 1_400_000 + PNG[-12:],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPENSIVE)
def test_no_picture_takes_more_than_the_time_limit(name: str) -> None:
    with watch_cells() as cells, suppress(Refused):
        make(EXPENSIVE[name])
    check_cost(cells)


@pytest.mark.slow
def test_a_large_cut_photo_takes_no_more_memory_than_a_complete_one() -> None:
    photo = Image.linear_gradient("L").resize((8000, 8000)).convert("RGB")
    with watch_cells() as cells:
        # The square is so small that nothing can be decoded at a reduced size.
        assert make(encode(photo, "JPEG")[:-200], x=5, y=5, size=32).side == 32
    check_cost(cells)


@pytest.mark.parametrize("marker", [b"\xff\xda\0\2", b"\xff\xe0\0\2"])
def test_a_jpeg_with_endless_markers_after_its_scan_is_refused(marker: bytes) -> None:
    data = JPEG[:-2] + b"\xff\xda\0\2" * 101 + marker * 20_000 + JPEG[-2:]
    assert find_refusal(data) == "broken"
