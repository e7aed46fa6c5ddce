"""The kinds of metadata about a person that a picture may contain. No Django, no decoder."""

# The tags of EXIF, words of XMP and numbers of IPTC for each kind (Exif 2.32; XMP part 2;
# IPTC-IIM 4.2, record 2).
SIGNS: dict[str, tuple[set[int], bytes, set[int]]] = {
    "place": (
        {0x0002},
        rb"GPSLatitude|photoshop:City|Iptc4xmpCore:Location",
        {26, 27, 90, 92, 95, 100, 101},
    ),
    "camera": (
        {0x010F, 0x0110, 0x927C, 0xA431, 0xA434},
        rb"tiff:Make|tiff:Model|aux:SerialNumber",
        set(),
    ),
    "date": (
        {0x0132, 0x9003, 0x9004},
        rb"DateTimeOriginal|CreateDate|photoshop:DateCreated",
        {55, 60, 62, 63},
    ),
    "author": ({0x013B, 0x8298}, rb"dc:creator|dc:rights", {80, 110, 115, 116, 118, 122}),
    "edits": ({0x0131}, rb"CreatorTool|xmpMM:History|crs:", {65}),
    "comment": ({0x010E, 0x9286}, rb"dc:description|dc:title", {5, 25, 40, 105, 120}),
}
TRACES = tuple(SIGNS)
