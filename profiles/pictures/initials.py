"""The initials shown for people without a picture. No Django."""

from unicodedata import bidirectional


def get_initials(name: str) -> str:
    """Return the first letters of the first and the last word of a name."""
    words = [word for word in name.split() if word[0].isalnum()]
    letters = [word[0].upper()[0] for word in words[:1] + words[1:][-1:]]
    # Two Arabic letters would join and make a word, such as "no".
    return letters[0] if letters and bidirectional(letters[0]) == "AL" else "".join(letters)
