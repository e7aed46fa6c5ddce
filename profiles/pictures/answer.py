"""The format of a cell's answer: length, JSON, and the files of the avatar. No Django.

Hostile code in a picture may have written the answer, so each field is checked.
"""

import json
from collections.abc import Iterable
from struct import Struct
from typing import Any

from .avatar import Avatar
from .limits import FORMATS, MAX_MEGAPIXELS, MIN_SIDE, REFUSALS, Refused
from .names import Sizes
from .traces import TRACES

# Before each answer: the signal that ended the cell, its CPU in milliseconds, its memory in kB, and
# how many bytes follow.
HEAD = Struct(">4I")
MAX_ANSWER_BYTES, MAX_TEXT_BYTES = 4_000_000, 4000
MAX_SIDE, MAX_FIGURE = max(MAX_MEGAPIXELS.values()) * 1_000_000 // MIN_SIDE, 2**40
MAX_MILLISECONDS = 60_000
STARTS = {"webp": (b"RIFF", b"WEBP"), "jpg": (b"\xff\xd8\xff", b"")}


def write_answer(avatar: Avatar, timings: dict[str, float]) -> bytes:
    source = {name: value for name, value in vars(avatar).items() if name != "files"}
    lengths = [len(data) for data in avatar.files.values()]
    head = {"source": source, "lengths": lengths, "timings": timings}
    return _pack(head, avatar.files.values())


def write_refusal(refused: Refused) -> bytes:
    return _pack({"refused": refused.code, "facts": refused.facts})


def _pack(head: dict[str, Any], files: Iterable[bytes] = ()) -> bytes:
    text = json.dumps(head).encode()
    return b"".join([len(text).to_bytes(4), text, *files])


def read_answer(data: bytes, sizes: Sizes) -> tuple[Avatar, dict[str, float]]:
    """Return the avatar and the milliseconds of its steps; raise `Refused` for a refusal.

    Raises `ValueError`, or another exception of the parsing, for an invalid answer.
    """
    start = 4 + int.from_bytes(data[:4])
    head = json.loads(data[4 : min(start, MAX_TEXT_BYTES)])
    if "refused" in head:
        raise _read_refusal(head["refused"], head["facts"])
    files = {}
    for ending, length in zip(sizes.endings, head["lengths"], strict=True):
        files[ending] = data[start : start + length]
        start += length
    source = head["source"]
    avatar = Avatar(files, **{**source, "removed": tuple(source["removed"])})
    spent = {step: head["timings"][step] for step in ("decode", "encode")}
    _require(
        start == len(data),
        all(_is_number(length, len(data)) for length in head["lengths"]),
        all(_has_signature(content, ending) for ending, content in files.items()),
        avatar.format in FORMATS,
        all(_is_number(side, MAX_SIDE) for side in (avatar.width, avatar.height, avatar.side)),
        avatar.side <= min(avatar.width, avatar.height),
        set(avatar.removed) <= set(TRACES),
        len(avatar.removed) == len(set(avatar.removed)),
        all(0 <= milliseconds < MAX_MILLISECONDS for milliseconds in spent.values()),
    )
    return avatar, spent


def _read_refusal(code: str, facts: dict[str, int | str]) -> Refused:
    _require(
        facts.keys() == REFUSALS[code],
        all(
            fact in FORMATS if name == "format" else _is_number(fact, MAX_FIGURE)
            for name, fact in facts.items()
        ),
    )
    return Refused(code, **facts)


def _has_signature(content: bytes, ending: str) -> bool:
    first, third = STARTS[ending.rpartition(".")[2]]
    return content.startswith(first) and content[8:].startswith(third)


def _is_number(value: object, most: int) -> bool:
    return type(value) is int and 0 < value <= most


def _require(*conditions: bool) -> None:
    if not all(conditions):
        raise ValueError("A field of the answer is out of range.")
