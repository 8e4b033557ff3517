"""A WSGI application in a stand-alone process: it gets the requests that no other route serves.

How it works: Tornado reads a request, and its body is spooled (`spools`); once that is complete, a thread of
`wsgithreads` takes it. A body has `BODY_TIMEOUT`, and one second more for each `BODY_RATE` bytes that have come. If it
is too long, it is read and dropped as far as four times the limit, so that a client that sends first and reads later
gets the answer.
"""

import asyncio
import inspect
import sys
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import AnyMatches, Router

from ..errors import CannotStart, PayloadTooLarge
from .intake import BODY_RATE, BODY_TIMEOUT, announced_bytes
from .spools import Spool
from .wsgithreads import ThreadedWSGI

__all__ = ["AppMount", "AppRequest", "check_wsgi"]

_READ_OUT = 4  # times the limit
_NO_ROOM = 503, "there is no room for the body"

_ASGI = (
    "that is an ASGI application, and here is the place of a WSGI application: give that, such as "
    "mysite.wsgi:application of a Django project, or serve it with --host uvicorn, or as "
    "waterspout.hosts.asgi.App(server, application) on any ASGI server"
)


def check_wsgi(application: Any, name: str) -> None:
    """Raise `CannotStart`, with a sentence, for what cannot be called with an environment and `start_response`."""
    reason = _what_is_wrong(application)
    if reason is not None:
        raise CannotStart(f"cannot serve {name}: {reason}")


class AppMount(Router):
    """The route of a WSGI application, which takes what the routes before it leave."""

    def __init__(self, container: ThreadedWSGI) -> None:
        self.routes = [(AnyMatches(), self)]
        self._container = container

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        """Serve a request whose head Tornado has read."""
        return AppRequest(self._container, request)


class AppRequest(HTTPMessageDelegate):
    """A request on its way to the application."""

    def __init__(self, container: ThreadedWSGI, request: HTTPServerRequest) -> None:
        self._container = container
        self._request = request
        self._connection: Any = request.connection
        self._body: Spool  # made when no other route has taken the request
        self._received_bytes = 0
        self._refusal: tuple[int, str] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # What Tornado calls

    def headers_received(self, start_line: object, headers: HTTPHeaders) -> None:
        """Expect a body, unless it is announced to be too long."""
        self._body = Spool(self._container.store)
        self._connection.set_max_body_size(sys.maxsize)  # Tornado's answer would be 400
        length = announced_bytes(headers.get("Content-Length"))
        if not length and "Transfer-Encoding" not in headers:
            return
        limit = self._container.store.max_bytes
        if length > limit:
            self._drop(413, f"the body has more than {limit} bytes")
            if length > _READ_OUT * limit or headers.get("Expect", "").lower() == "100-continue":
                self._refuse()
                return
        loop = asyncio.get_running_loop()
        self._wait(loop, loop.time())

    def data_received(self, chunk: bytes) -> None:
        """Spool a part of the body."""
        self._received_bytes += len(chunk)
        limit = self._container.store.max_bytes
        if self._refusal is None:
            try:
                self._body.write(chunk)
            except PayloadTooLarge:
                self._drop(413, f"the body has more than {limit} bytes")
            except OSError:
                self._drop(*_NO_ROOM)
        elif self._received_bytes > _READ_OUT * limit:
            self._refuse()

    def finish(self) -> None:
        """Give the complete request to the application."""
        self._stop_waiting()
        body = self._body
        if self._refusal is None:
            try:
                source = body.rewind()
            except OSError:
                self._drop(*_NO_ROOM)
            else:
                self._container.begin(self._request, source, body.size_bytes, body)
                return
        self._refuse()

    def on_connection_close(self) -> None:
        """Forget it: the client has left before the body was complete."""
        self._stop_waiting()
        self._body.close()

    # Below this line: how it is done

    def _wait(self, loop: asyncio.AbstractEventLoop, since: float) -> None:
        until = since + BODY_TIMEOUT + self._received_bytes / BODY_RATE
        if until > loop.time():
            self._timer = loop.call_at(until, self._wait, loop, since)
        else:
            self._connection.close()
            self.on_connection_close()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self, status: int, text: str) -> None:
        self._refusal = status, text
        self._body.close()

    def _refuse(self) -> None:
        assert self._refusal is not None
        self._stop_waiting()
        self._container.refuse(self._request, *self._refusal)


def _what_is_wrong(found: Any) -> str | None:
    if not callable(found):
        return f"that is of type {type(found).__name__!r}, and a WSGI application can be called"
    call = found if inspect.isroutine(found) or inspect.isclass(found) else found.__call__
    if inspect.iscoroutinefunction(call):
        return _ASGI
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # it is written in C
        return None
    if _takes(signature, 2):
        return None
    if _takes(signature, 3) or (inspect.isclass(found) and _takes(signature, 1)):
        return _ASGI
    if _takes(signature, 0):
        return (
            "that can be called without arguments, as a function that makes an application: "
            "call it, as in app = create_app(), and give what it returns"
        )
    return f"that takes the arguments {signature}, and a WSGI application takes an environment and start_response"


def _takes(signature: inspect.Signature, number: int) -> bool:
    try:
        signature.bind(*[None] * number)
    except TypeError:
        return False
    return True
