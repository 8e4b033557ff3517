"""A client of bare HTTP: from an address of its own, with the cookies that it was given, plain or over TLS."""

import http.client
import json
import select
import socket
import ssl
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from deploy.backends import PATIENCE
from deploy.proxies import HOST, Front


class Visitor:
    """Speaks over one connection that is kept. `keeps_cookies` is what a browser does, and a program does not."""

    def __init__(self, front: Front, *, secure: bool = False, address: str = HOST, keeps_cookies: bool = True) -> None:
        self.cookies: SimpleCookie | None = SimpleCookie() if keeps_cookies else None
        self.front, self.secure = front, secure
        self.connection = self._connect(address)

    def _connect(self, address: str) -> http.client.HTTPConnection:
        place, where = urlsplit(self.front.url(secure=self.secure)).netloc, (address, 0)
        if not self.secure:
            return http.client.HTTPConnection(place, timeout=PATIENCE, source_address=where)
        context = ssl.create_default_context(cafile=self.front.certificate)
        return http.client.HTTPSConnection(place, timeout=PATIENCE, source_address=where, context=context)

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.connection.close()

    def move(self, address: str) -> None:
        """Go on from another address, as phones do."""
        self.connection.close()
        self.connection = self._connect(address)

    def ask(self, method: str, target: str, body: bytes | None = None, /, **fields: str) -> None:
        """Send a request; an underscore in a field's name is a hyphen."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        self.connection.request(method, target, body, headers)

    def answer(self) -> tuple[int, bytes]:
        response = self.begun()
        return response.status, response.read()

    def begun(self) -> http.client.HTTPResponse:
        """Return an answer whose head has come."""
        response = self.connection.getresponse()
        for value in response.headers.get_all("Set-Cookie", ()):
            if self.cookies is not None:
                self.cookies.load(value)
        return response

    def get(self, target: str, **fields: str) -> tuple[int, bytes]:
        self.ask("GET", target, None, **fields)
        return self.answer()

    def post(self, target: str, body: bytes, **fields: str) -> tuple[int, bytes]:
        self.ask("POST", target, body, **fields)
        return self.answer()

    def is_answered_within(self, seconds: float) -> bool:
        """Tell whether something of an answer has come."""
        sock: socket.socket = self.connection.sock
        return bool(select.select([sock], [], [], seconds)[0])


class Polling:
    """A session of Engine.IO 4 that has entered "/", over a visitor's connection."""

    def __init__(self, visitor: Visitor, **fields: str) -> None:
        self.visitor = visitor
        self.target = "/socket.io/?EIO=4&transport=polling"
        status, body = visitor.get(self.target, **fields)
        assert status == 200, body
        self.sid: str = json.loads(body[1:])["sid"]
        self.target += f"&sid={self.sid}"
        assert self.say(b"40") == (200, b"ok")
        status, body = visitor.get(self.target)
        assert body.startswith(b'40{"sid":'), (status, body)

    def say(self, packet: bytes) -> tuple[int, bytes]:
        return self.visitor.post(self.target, packet)

    def call(self, event: str, *args: object) -> Any:
        """Emit an event and return what is acknowledged; AssertionError if the session is lost."""
        assert self.say(b"421" + json.dumps([event, *args]).encode()) == (200, b"ok")
        status, body = self.visitor.get(self.target)
        assert body.startswith(b"431["), (status, body)
        return json.loads(body[3:])[0]
