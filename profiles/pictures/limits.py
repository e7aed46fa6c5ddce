"""The limits on a picture's bytes and pixels, and the reasons for a refusal. No Django, no decoder.

The kernel limits what opening a picture costs (pipeline/sandbox.py). The limits on pixels allow a
better message, which names the limit.
"""

MIN_SIDE = 32
MAX_BYTES = 20 * 1000 * 1000
# As many as fit into a cell. A JPEG is decoded at a reduced size, the others in full.
MAX_MEGAPIXELS = {"JPEG": 65, "MPO": 65, "HEIF": 50, "AVIF": 25, "PNG": 25, "GIF": 25, "WEBP": 16}
# The decoder keeps all samples of a progressive JPEG, 2 bytes each, beside the decoded picture.
MAX_PROGRESSIVE_BYTES = 280 * 1000 * 1000
# The names of formats for visitors, if they differ from Pillow's.
DISPLAY_NAMES = {"MPO": "JPEG", "HEIF": "HEIC", "WEBP": "WebP"}
FORMATS = {DISPLAY_NAMES.get(name, name) for name in MAX_MEGAPIXELS}
# The reasons of a cell for a refusal, and the figures in each message (making.REFUSALS).
REFUSALS: dict[str, set[str]] = {
    "unreadable": set(),
    "cut": set(),
    "broken": set(),
    "small": {"width", "height", "limit"},
    "large": {"format", "megapixels", "limit"},
    "enormous": set(),
    "progressive": {"megapixels", "limit"},
    "unusual": set(),
    "apple": set(),
    "blank": set(),
    "heavy": set(),
}


# The first bytes of a file show its format. A HEIC or AVIF has a list of brands there.
SIGNATURE_BYTES = 64
SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"RIFF": "WEBP"}
BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "HEIF"
)


class Refused(Exception):
    """A refused picture: `code` is the reason, `facts` are the figures for its message."""

    def __init__(self, code: str, **facts: int | str) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts


def find_format(signature: bytes) -> str:
    """Return the format that a file's first bytes claim, by Pillow's name; "" if unknown."""
    if signature[4:8] == b"ftyp":
        end = min(int.from_bytes(signature[:4]), len(signature))
        brands = [signature[at : at + 4] for at in (8, *range(16, end, 4))]
        return next((BRANDS[brand] for brand in BRANDS if brand in brands), "")
    return next((SIGNATURES[start] for start in SIGNATURES if signature.startswith(start)), "")


def refuse_bytes(size: int) -> None:
    if size > MAX_BYTES:
        megabytes, limit = (-(-number // 1_000_000) for number in (size, MAX_BYTES))
        raise Refused("bytes", megabytes=megabytes, limit=limit)


def refuse_size(kind: str, width: int, height: int, samples: float = 0) -> None:
    """Refuse a picture with fewer or more pixels than its format may have.

    `samples` are those of a pixel of a progressive JPEG: 3, or 1.5 for 4:2:0.
    """
    if min(width, height) < MIN_SIDE:
        raise Refused("small", width=width, height=height, limit=MIN_SIDE)
    megapixels, limit = -(-width * height // 1_000_000), MAX_MEGAPIXELS[kind]
    if megapixels > limit:
        raise Refused(
            "large", format=DISPLAY_NAMES.get(kind, kind), megapixels=megapixels, limit=limit
        )
    limit = MAX_PROGRESSIVE_BYTES // int(2 * samples + 4) // 1_000_000
    if samples and megapixels > limit:
        raise Refused("progressive", megapixels=megapixels, limit=limit)
