"""The bytes that a browser really sends to the site."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wiretap:
    """A proxy between the browser and the site that records what the browser sends."""

    def __init__(self, port: int) -> None:
        self.site = ("127.0.0.1", port)
        self.sent = bytearray()  # All connections append to it, each in its own thread.
        self.is_mute = False  # If true, no response of the site gets through.
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def accept(self) -> None:
        """Join each connection of the browser to one to the site, until the listener closes."""
        with suppress(OSError):
            while True:
                browser, _ = self.listener.accept()
                threading.Thread(target=self.join, args=(browser,), daemon=True).start()

    def join(self, browser: socket.socket) -> None:
        """Pass bytes on both ways until one end closes."""
        with browser, socket.create_connection(self.site) as site:
            back = threading.Thread(target=self.pass_on, args=(site, browser), daemon=True)
            back.start()
            self.pass_on(browser, site)
            back.join()

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        is_answer = False
        with suppress(OSError):
            is_answer = source.getpeername() == self.site
            while data := source.recv(65536):
                if not is_answer:
                    self.sent.extend(data)
                elif self.is_mute:
                    continue
                target.sendall(data)
        if is_answer and self.is_mute:
            return  # The browser goes on waiting.
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def listen(site: str) -> Iterator[Wiretap]:
    """Run a wiretap before a site until the block ends."""
    tap = Wiretap(int(site.rpartition(":")[2]))
    accepting = threading.Thread(target=tap.accept, daemon=True)
    accepting.start()
    yield tap
    tap.listener.shutdown(socket.SHUT_RDWR)  # A close alone would leave it waiting.
    accepting.join()
    tap.listener.close()
