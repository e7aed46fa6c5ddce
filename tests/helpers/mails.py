"""A mail server that refuses what it is told to refuse."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.conf import LazySettings

BACKEND = "django.core.mail.backends.smtp.EmailBackend"


class Handler(socketserver.StreamRequestHandler):
    """Speaks as much of SMTP (RFC 5321) as smtplib asks for."""

    server: "MailServer"

    def handle(self) -> None:
        self.say("220 mail.example")
        for line in self.rfile:
            words = line.decode()
            command = words[:4].upper()
            if command == self.server.refused:
                # As many servers do, it repeats the address.
                address = self.server.recipient or words[5:].strip()
                self.say(f"{self.server.code} 5.1.1 {address}: not here")
            elif command == "QUIT":
                return self.say("221 Bye")
            elif command == "DATA":
                self.say("354 Go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.server.count += 1
                self.say("250 Taken")
            else:
                if command == "RCPT":
                    self.server.recipient = words[8:].strip()
                self.say("250 Fine")

    def say(self, words: str) -> None:
        self.wfile.write(words.encode() + b"\r\n")


class MailServer(socketserver.ThreadingTCPServer):
    """Refuses a command, such as "RCPT"; it counts the mails that it has taken."""

    daemon_threads = True

    def __init__(self, refused: str, code: int) -> None:
        self.refused, self.code, self.count, self.recipient = refused, code, 0, ""
        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def run_mail_server(
    settings: LazySettings, refused: str = "", code: int = 550
) -> Iterator[MailServer]:
    """Run a mail server until the block ends, and let the site send its mails there."""
    with MailServer(refused, code) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        use_mail_server(settings, server.server_address[1])
        try:
            yield server
        finally:
            server.shutdown()


def use_mail_server(settings: LazySettings, port: int) -> None:
    """Let the site send its mails to a port of this machine."""
    if django.VERSION < (6, 1):
        settings.EMAIL_BACKEND = BACKEND
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    else:
        options = {"host": "127.0.0.1", "port": port}
        settings.MAILERS = {"default": {"BACKEND": BACKEND, "OPTIONS": options}}
