"""What the tests of limits share: the clock, and how an answer says when to come back."""

import re
from collections.abc import Callable
from typing import Any

Forward = Callable[[float], None]
WORD = "correct horse battery"


def assert_says_when(response: Any, sentence: str) -> None:
    """Fail unless an answer says when to come back, to people and to programs."""
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 3600
    assert re.search(sentence, response.content.decode())
