"""Open a HEIC, only if it is built as phones build it, and give its rows to Pillow in bands."""

import struct
from typing import Any

import pillow_heif
from PIL import Image

from ..limits import Refused, refuse_size
from .boxes import collect, list_items, list_links, read_info, read_meta, walk_boxes

MAX_ITEMS = 1000  # A photo of 48 megapixels has 200, and 200 more for each further layer.
# For every decoder that uses threads: each thread takes additional memory.
THREADS = 4
pillow_heif.options.DECODE_THREADS = THREADS
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False


class HeicImage:
    """A HEIC with the part of `Image.Image`'s interface that the pipeline uses.

    Pillow would copy the whole decoded picture, at 4 bytes a pixel.
    """

    format = "HEIF"

    def __init__(self, data: bytes) -> None:
        if not is_photo(data):
            raise Refused("unusual")
        self.heif = pillow_heif.open_heif(data, convert_hdr_to_8bit=True, remove_stride=False)
        self.info: dict[Any, Any] = self.heif.info | read_info(data)
        # The decoder turns and crops the picture: ignore EXIF and the crop box.
        pillow_heif.set_orientation(self.info)
        self.info.pop("crop", None)
        refuse_size(self.format, *self.size)

    @property
    def size(self) -> tuple[int, int]:
        width, height = self.heif.size
        return width, height

    @property
    def mode(self) -> str:
        return str(self.heif.mode)

    @property
    def has_transparency_data(self) -> bool:
        return bool(self.heif.has_alpha)

    def load(self) -> None:
        """Decode, and check the size again: it may differ from the one in the header."""
        _ = self.heif.data
        refuse_size(self.format, *self.size)

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        left, top, right, bottom = box
        stride, mode = self.heif.stride, self.mode
        rows = self.heif.data[top * stride : bottom * stride]
        size = (self.size[0], bottom - top)
        band = Image.frombytes(mode, size, rows, "raw", mode, stride)
        return band.crop((left, 0, right, bottom - top))


def is_photo(data: bytes) -> bool:
    """Return whether a HEIC shows one coded picture, or one grid of them, as phones write it.

    Overlays and derived pictures may be nested, and cost seconds for each kilobyte. Duplicate
    boxes are refused as well: the decoder might use the other one.
    """
    try:
        collect(walk_boxes(memoryview(data)))
        meta = collect(walk_boxes(read_meta(data)))
        kinds = collect(list_items(meta[b"iinf"]))
        shown = int.from_bytes(meta[b"pitm"][4:])
        links = list(list_links(meta[b"iref"])) if b"iref" in meta else []
        parts = collect((start, ends) for kind, start, ends in links if kind == b"dimg")
    except (ValueError, LookupError, struct.error):
        return False
    layers = {(start, end) for kind, start, ends in links if kind == b"auxl" for end in ends}
    sources, targets = {start for start, _ in layers}, {end for _, end in layers}
    thumbnails = {start for kind, start, _ in links if kind == b"thmb"}
    grids = [item for item, kind in kinds.items() if kind == b"grid"]
    return (
        len(kinds) <= MAX_ITEMS
        and {kinds.get(item) for item in (shown, *sources)} <= {b"hvc1", b"grid"}
        and {kinds.get(part) for grid in grids for part in parts.get(grid, (0,))} <= {b"hvc1"}
        and not {b"iovl", b"iden"} & set(kinds.values())
        and shown not in sources | thumbnails
        and not sources & targets
    )
