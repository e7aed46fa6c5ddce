"""`images.make_avatar`: bytes in, finished files out."""

import re
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageStat

from profiles.pictures.limits import Refused
from profiles.pictures.names import Sizes
from profiles.pictures.pipeline.colours import MAX_PROFILE_BYTES

from .helpers.avatars import (
    ALL_FORMATS,
    BLUE,
    GREEN,
    GREY,
    RED,
    TWO_COLOURS,
    draw_half,
    draw_three,
    find_refusal,
    find_transparency,
    list_colours,
    make,
    near,
    show,
)
from .helpers.pictures import (
    QUARTERS,
    STORED,
    crop_avif,
    draw,
    draw_as,
    draw_jpeg,
    draw_noise,
    encode,
    make_animation,
    make_box,
    make_chunk,
    make_exif,
    make_heic,
    make_png,
    store_turned,
    swap_red_and_blue,
)

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
