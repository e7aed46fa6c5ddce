"""What is looked for: the words of a query."""

import re

from .folding import fold, fold_name

MAX_LENGTH, MAX_WORDS = 100, 10
# PostgreSQL makes a trigram of three letters or digits. It takes a sign beside one or two for the
# space around a word, of which it puts two before and one after: of "h_d" it makes "  d".
TRIGRAM = re.compile(r"(?=...).*([^\W_]{3}|[\W_][^\W_]|[^\W_]{2}[\W_])")


class Query:
    """What was typed (`text`), and what is looked for.

    `words` are found anywhere in the names of a person. Those of one or two letters begin with the
    two spaces that the database has before each word of a name, so they are found where one begins.
    `signs` are left out: PostgreSQL makes no trigrams of them. So are all words after the tenth.
    """

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.replace("\0", "").split())[:MAX_LENGTH].strip()
        # Pages show user names with "@", which no name contains.
        typed = self.text.replace("@", " ").split()
        self.name = " ".join(typed)
        self.signs = [word for word in typed if not any(map(str.isalnum, fold(word)))]
        folded = fold(" ".join(word for word in typed if word not in self.signs)).split()
        self.has_too_many_words = len(folded) > MAX_WORDS
        self.words = [word if TRIGRAM.match(word) else f"  {word}" for word in folded[:MAX_WORDS]]

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text

    @property
    def username(self) -> str:
        return self.name.lower()

    @property
    def folded_name(self) -> str:
        return fold_name(self.name)

    def write_match(self, only_public: bool) -> str:
        """Return what SQLite's FTS5 is asked for."""
        quoted = ('"{}"'.format(word.replace('"', '""')) for word in self.words)
        match = f"names : ({' AND '.join(quoted)})"
        return match + (' AND visibility : "pub"' if only_public else "")
