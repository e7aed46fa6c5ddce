"""Pictures that are refused, or that cost much: by their headers, their time, and their memory."""

import random
import struct
import zlib
from contextlib import suppress
from io import BytesIO

import pillow_heif
import pytest
from PIL import Image

from profiles.pictures.limits import Refused

from .helpers.avatars import (
    ALL_FORMATS,
    BLUE,
    FORMATS,
    JPEG,
    PNG,
    RED,
    find_refusal,
    list_colours,
    make,
    near,
    show,
)
from .helpers.cells import check_cost, watch_cells
from .helpers.pictures import (
    QUARTERS,
    draw,
    draw_as,
    draw_jpeg,
    draw_noise,
    encode,
    make_box,
    make_chunk,
    make_claim,
    make_exif,
    make_heic,
    make_png,
    make_scans,
    make_segment,
    swap_red_and_blue,
)

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


def test_the_profile_of_a_calibrated_monitor_is_not_too_long() -> None:
    profile = swap_red_and_blue() + random.Random(3).randbytes(1_300_000)
    data = encode(Image.new("RGB", (64, 64), RED), "PNG", icc_profile=profile)
    assert list_colours(show(data)) == near(*[BLUE] * 4)


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
