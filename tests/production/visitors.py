"""People who use the site over HTTP."""

import re
from email.message import Message
from http.cookiejar import CookieJar
from io import BytesIO
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from PIL import Image, ImageDraw

PASSWORD = "difference engine"


class Visitor:
    """A visitor's browser: it keeps cookies, follows redirects and fills in CSRF tokens."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.cookies = CookieJar()
        self.opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.cookies))

    def get(self, path: str, **headers: str) -> tuple[Message, bytes]:
        return self._open(Request(urljoin(self.origin, path), headers=headers))

    def page(self, path: str) -> str:
        return self.get(path)[1].decode()

    def send(self, path: str, **fields: str) -> str:
        fields["csrfmiddlewaretoken"] = self._token(path)
        request = Request(self.origin + path, urlencode(fields).encode())
        return self._open(request)[1].decode()

    def upload(self, path: str, field: str, content: bytes) -> str:
        head = 'Content-Disposition: form-data; name="'
        body = (
            f'--cut\r\n{head}csrfmiddlewaretoken"\r\n\r\n{self._token(path)}\r\n'
            f'--cut\r\n{head}{field}"; filename="me.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        ).encode() + (content + b"\r\n--cut--\r\n")
        headers = {"Content-Type": "multipart/form-data; boundary=cut"}
        return self._open(Request(self.origin + path, body, headers))[1].decode()

    def _token(self, path: str) -> str:
        return found(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page(path))

    def _open(self, request: Request) -> tuple[Message, bytes]:
        with self.opener.open(request, timeout=120) as response:
            return response.headers, response.read()


def found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match, f"{pattern} is not in:\n{page}"
    return match[1]


def draw_photo() -> bytes:
    photo = Image.new("RGB", (800, 600), "teal")
    ImageDraw.Draw(photo).ellipse((250, 100, 550, 500), "tan")
    content = BytesIO()
    photo.save(content, "JPEG")
    return content.getvalue()
