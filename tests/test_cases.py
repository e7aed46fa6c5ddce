"""Pictures that failed in the past, in the second folder of LIKENESS_CORPUS.

The colours are what Chromium 156 shows, as means of the four quarters over white; of a HEIC, those
of the chart that it was made from.
"""

from io import BytesIO
from pathlib import Path

import pytest
from django.test import Client
from PIL import Image, ImageStat

from profiles.pictures import cell

from .helpers.cells import check_cost, watch_cells
from .helpers.corpus import CASES, read_table
from .test_corpus import lay_on_white, measure_quarters
from .test_uploads import upload_named

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CASES.is_dir(),
        reason="Name the folder of cases in LIKENESS_CORPUS, too, behind a colon.",
    ),
]
FILES = [
    path
    for folder in (CASES, CASES / "more")
    for path in (folder / row["file"] for row in read_table(folder / "cases.tsv"))
]
CHART = "154,55,48|61,152,81|42,75,159|223,192,91"
PARIS = "141,164,189|147,165,188|87,85,76|91,91,78"
PARIS_IN_HDR = "102,119,138|107,120,137|61,60,53|65,65,55"
CHART_OF_HEIC = "164,111,62|84,100,147|182,178,87|128,130,144"

COLOURS = {
    "ArcTriomphe-cHRM-red-green-swap.png": "119,76,48|103,60,38|113,82,61|105,75,56",
    "avif_clap_topleft.avif": "107,42,37|177,61,53|159,55,48|177,61,53",
    "avif_major_mif1.avif": PARIS,
    "avif_p3_nclx.avif": CHART,
    # As libheif crops them.
    "heic_clap_640x360.heic": "100,74,65|70,61,97|82,69,51|97,48,67",
    "heic_clap_720x720.heic": "98,84,95|100,96,100|55,66,38|93,39,59",
    "gif_cut_tail2.gif": "140,162,186|148,173,198|87,85,77|102,101,91",
    "heic_nclx_p3_chart.heic": CHART_OF_HEIC,
    "jpeg_prog_no_eoi.jpg": CHART,
    "jpg_progressive_no_eoi.jpg": "140,162,187|148,173,199|86,85,76|103,102,90",
    "jpg_studio_no_eoi.jpg": "185,192,201|190,198,206|206,206,205|209,209,208",
    "png_chrm_p3_gama22.png": CHART,
    "png_cicp_p3.png": CHART,
    "png_gama_linear.png": CHART,
    "png_gama_linear_16.png": PARIS,
    "png_gray16_trns.png": "199,199,199|206,206,206|84,84,84|101,101,101",
    "png_grey16_trns.png": "84,84,84|150,150,150|75,75,75|190,190,190",
    "png_icc_1_3MB.png": CHART,
    "png_itxt_z_1_5MB.png": CHART,
    "png_la8_icc_gamma18.png": "89,89,89|163,163,163|80,80,80|195,195,195",
    "png_la_icc_linear.png": "159,159,159|168,168,168|84,84,84|101,101,101",
}
IN_HDR = {
    "avif_bt2020_pq_10.avif": "112,38,32|42,110,57|28,53,116|163,140,65",
    "avif_pq_2020.avif": PARIS_IN_HDR,
    "hif_hlg_2020_422_chart.heic": CHART_OF_HEIC,
    "png_cicp_hlg.png": "112,38,32|42,110,57|28,53,116|163,141,65",
    "png_cicp_pq_screenshot.png": PARIS_IN_HDR,
    "seine_hdr_rec2020.avif": "202,209,213|212,218,221|125,126,118|91,85,73",
}
SIZES = {
    "heic_clap_720x720.heic": (720, 720),
    "heic_clap_640x360.heic": (640, 360),
    "avif_clap_topleft.avif": (300, 300),
}
SHOWS_LATER = {
    "gif_anim_blank_first.gif",
    "apng_blank_first.png",
    "gif_fade_in_from_white.gif",
    "webp_anim_first_clear.webp",
    "gif_first_frame_empty.gif",
}
EXACT = {
    "text512.png",
    "pixel48_100col.png",
    "pixel32_12col.png",
    "hero48.png",
    "sprite48_150col.png",
    "grad_dark_sky.png",
    "skygradient.png",
    "logo_flat.png",
    "animated-red-blue.apng",
}
REFUSED = {
    "png_all_transparent.png": "This square is completely transparent",
    "jpg_tail30_zeros.jpg": "breaks off",
    "png_cgbi_real.png": "iPhone app",
    "heic_says_48mp.heic": "is damaged",
    "heic_nested_8_9.heic": "no phone uses",
}
# These depend on the limits of a cell.
EITHER = {"heic_24mp_422_10bit.heif", "cut_grad_rgb.jpg"}
# Neither declares its colours: no `colr`, and the stream says "unspecified" (2, 2, 6).
WITHOUT_NUMBERS = {"heic_nclx_p3.heic", "heic_nclx_pq.heic"}
OTHERS = {"jpeg_icc_2000_stages.jpg", "jpg_iptc_only.jpg", "logo.png"}


def read(name: str) -> bytes:
    [path] = [path for path in FILES if path.name == name]
    return path.read_bytes()


def parse(means: str) -> list[list[int]]:
    return [[int(value) for value in mean.split(",")] for mean in means.split("|")]


def test_each_case_is_in_a_test() -> None:
    tested = COLOURS | IN_HDR | SIZES | REFUSED | dict.fromkeys(SHOWS_LATER | EXACT | EITHER)
    assert {path.name for path in FILES} == set(tested) | WITHOUT_NUMBERS | OTHERS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_accepted_or_refused_with_the_right_message(path: Path, as_ada: Client) -> None:
    with watch_cells() as cells:
        answer = upload_named(as_ada, path.name, path.read_bytes())
    check_cost(cells)
    if answer.status_code == 201:
        assert path.name not in REFUSED
    elif path.name in EITHER:
        assert "takes more time or memory" in answer.json()["errors"]["avatar"][0]
    else:
        assert REFUSED[path.name] in answer.json()["errors"]["avatar"][0]


@pytest.mark.parametrize("name", COLOURS)
def test_it_has_the_colours_of_its_truth(name: str) -> None:
    assert measure_quarters(read(name)) == [pytest.approx(m, abs=3) for m in parse(COLOURS[name])]


@pytest.mark.parametrize("name", IN_HDR)
def test_in_hdr_it_is_no_further_off_than_eight_levels(name: str) -> None:
    pairs = zip(measure_quarters(read(name)), parse(IN_HDR[name]), strict=True)
    differences = [abs(a - b) for got, want in pairs for a, b in zip(got, want, strict=True)]
    assert sum(differences) / len(differences) <= 8


@pytest.mark.parametrize("name", SIZES)
def test_a_crop_is_a_crop(name: str) -> None:
    avatar = cell.make_avatar(BytesIO(read(name)))
    assert (avatar.width, avatar.height) == SIZES[name]


@pytest.mark.parametrize("name", SHOWS_LATER)
def test_something_is_visible_in_an_animation(name: str) -> None:
    avatar = cell.make_avatar(BytesIO(read(name)))
    made = lay_on_white(Image.open(BytesIO(avatar.files["512.webp"])))
    assert min(ImageStat.Stat(made).mean) < 200


@pytest.mark.parametrize("name", EXACT)
def test_a_drawing_is_stored_without_loss(name: str) -> None:
    stored = cell.make_avatar(BytesIO(read(name))).files["512.webp"]
    assert stored[12:16] == b"VP8L"
    with Image.open(BytesIO(read(name))) as source, Image.open(BytesIO(stored)) as made:
        if source.width == source.height == made.width:
            assert made.convert("RGB").tobytes() == source.convert("RGB").tobytes()


def test_the_details_of_a_logo_keep_their_colours_in_the_smallest_size() -> None:
    stored = cell.make_avatar(BytesIO(read("logo.png"))).files["64.webp"]
    assert stored[12:16] == b"VP8L"


def test_metadata_only_in_iptc_is_on_the_receipt() -> None:
    removed = cell.make_avatar(BytesIO(read("jpg_iptc_only.jpg"))).removed
    assert {"place", "date", "author", "comment"} <= set(removed)
