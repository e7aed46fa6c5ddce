"""What the browser complains of."""

import re

from playwright.sync_api import ConsoleMessage, Page


def watch(page: Page) -> list[str]:
    """Return a list that fills with what the browser complains of, but the answers we mean."""
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # A test may type before the page has put the focus where it wants it.
        meant = r"status of (400|401|404|413|503)|ERR_INTERNET_DISCONNECTED|\[DOM\]"
        meant += "|^Autofocus |^Clear-Site-Data "
        if not re.search(meant, message.text):
            faults.append(message.text)

    page.on("console", note)
    return faults
