"""Names as the search compares them: without case and accents."""

import re
import unicodedata

# Written without spaces between words: ideographs and kana.
SOLID = "\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
# The first two characters of words within a word: in "jean-luc", and at each ideograph.
INNER = re.compile(rf"(?=((?<=[^\s\w]|_)[^\W_]\w?|(?<=\S)[{SOLID}]\w?))")


def fold(text: str) -> str:
    """Return a text without case and accents."""
    # Before folding the case, so that 𝓐 becomes A; after it, because folding may add accents.
    plain = unicodedata.normalize("NFKD", text.replace("\0", "")).casefold()
    plain = unicodedata.normalize("NFKD", plain)
    return "".join(character for character in plain if not unicodedata.combining(character))


def fold_name(name: str) -> str:
    """Return a folded name, the end of the line, and where words begin within its words.

    Queries of one or two letters look there. Equal names stay equal. By the end of the line,
    index.py knows that this function has made it.
    """
    folded = " ".join(fold(name).split())
    inner = dict.fromkeys(found[1] for found in INNER.finditer(folded))
    return "\n".join([folded, " ".join(inner)])
