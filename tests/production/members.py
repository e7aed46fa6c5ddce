"""Members who use a site as scripts do."""

from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import NamedTuple
from urllib.parse import urlencode

from .visitors import PASSWORD

TOKEN = "t" * 32


class Answer(NamedTuple):
    """What the site has answered."""

    what: str
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether it is no error of the site; "busy", with the time to come back, is none."""
        return self.status < 500 or (self.status == 503 and "Retry-After" in self.headers)


@dataclass
class Member:
    """Somebody who has signed in."""

    name: str
    key: int
    session: str

    def get(self, port: int, path: str) -> Answer:
        return self.ask(port, "GET", path)

    def post(self, port: int, path: str, **fields: str) -> Answer:
        kind = "application/x-www-form-urlencoded"
        return self.ask(port, "POST", path, urlencode(fields).encode(), kind)

    def upload(self, port: int, picture: bytes) -> Answer:
        head = b'--cut\r\nContent-Disposition: form-data; name="avatar"; filename="me.jpg"\r\n\r\n'
        body, kind = head + picture + b"\r\n--cut--\r\n", "multipart/form-data; boundary=cut"
        return self.ask(port, "POST", "/profile/avatar/", body, kind)

    def remove(self, port: int) -> Answer:
        return self.post(port, "/profile/avatar/delete/")

    def show_to(self, port: int, visibility: str) -> Answer:
        return self.post(port, "/profile/edit/", display_name=self.name, visibility=visibility)

    def leave(self, port: int) -> Answer:
        return self.post(port, "/accounts/delete/", password=PASSWORD)

    def ask(self, port: int, method: str, path: str, body: bytes = b"", kind: str = "") -> Answer:
        """Send a request without following a redirect; keep the session of the answer."""
        cookie = f"csrftoken={TOKEN}" + (f"; sessionid={self.session}" if self.session else "")
        headers = {"Cookie": cookie, "X-CSRFToken": TOKEN, "Content-Type": kind}
        if kind.startswith("multipart/"):
            headers["Accept"] = "application/json"
        with closing(HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read()
        for name, value in response.headers.items():
            if name == "Set-Cookie" and value.startswith("sessionid="):
                self.session = value.partition("=")[2].partition(";")[0].strip('"')
        return Answer(f"{self.name}: {method} {path}", response.status, response.headers, data)
