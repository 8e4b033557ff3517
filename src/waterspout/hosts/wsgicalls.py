"""One call of a WSGI application (PEP 3333) in a thread: from its environment to a complete answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tornado.httputil import HTTPHeaders

from .spools import Spool, Store

__all__ = ["WSGIAnswer", "WSGICall", "answer_of"]

Head = tuple[str, list[tuple[str, str]]]

_STATUS = re.compile(r"([2-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, section 5.5
_OF_THE_CONNECTION = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class BodySource(Protocol):
    """What holds the body of a request."""

    def close(self) -> object:
        """Free it."""


@dataclass(frozen=True, slots=True)
class WSGIAnswer:
    """What an application has answered. The body is to be closed; `is_bodiless`: it is not to be sent."""

    status: int
    reason: str
    headers: HTTPHeaders
    body: Spool
    is_bodiless: bool


class WSGICall:
    """A request on its way through a thread; the answer is spooled in a store. It closes the body of the request."""

    def __init__(
        self, application: Callable[..., Any], environ: dict[str, Any], source: BodySource, store: Store
    ) -> None:
        self._application = application
        self._method: str = environ["REQUEST_METHOD"]
        self._environ = [environ]  # until it begins; which thread has it is decided by `pop`
        self._source = source
        self._store = store
        self._is_wanted = True

    def drop(self) -> bool:
        """Do not begin, or do not go on: the client has left. Tell whether it has not begun, and so never will."""
        self._is_wanted = False
        try:
            self._environ.pop()
        except IndexError:
            return False  # it runs, and the end of the process waits for it
        self._source.close()
        return True

    def make(self) -> WSGIAnswer | None:
        """Call the application; None if the client has left."""
        try:
            environ = self._environ.pop()
        except IndexError:
            return None
        heads: list[Head] = []
        body = Spool(self._store)
        answer = None
        try:
            if self._run(environ, heads, body):
                body.rewind()  # so that a full disk is told in the place of an answer
                answer = answer_of(heads, body, self._method)
        finally:
            if answer is None:
                body.close()
            self._source.close()
        return answer

    def _run(self, environ: dict[str, Any], heads: list[Head], body: Spool) -> bool:
        """Fill the body; tell whether it is complete."""

        def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
            if exc_info is not None and body.size_bytes:
                raise exc_info[1]  # the head counts as sent
            heads.append((status, fields))
            return body.write

        response = self._application(environ, start_response)
        try:
            for part in response:
                if not self._is_wanted:
                    return False
                body.write(part)
        finally:
            if hasattr(response, "close"):
                response.close()
        return True


def answer_of(heads: list[Head], body: Spool, method: str) -> WSGIAnswer:
    """Put an answer together; ValueError for what no answer can be, and TypeError for what is no text."""
    if not heads:
        raise ValueError("the application has not called start_response")
    status, fields = heads[-1]
    found = _STATUS.fullmatch(status)
    if found is None:
        raise ValueError(f"the application says the status {status!r}: write one as in '200 OK'")
    headers = HTTPHeaders()
    for name, value in fields:
        if name.lower() not in _OF_THE_CONNECTION:
            stripped = value.strip(" \t")  # Django writes a blank before each cookie, which Tornado refuses
            if not _FIELD_VALUE.fullmatch(stripped):
                raise ValueError(f"the application says {name}: {value!r}, which is no line of a head")
            headers.add(name, stripped)
    is_bodiless = method == "HEAD" or found[1] in ("204", "304")
    if found[1] in ("204", "304"):
        headers.pop("Content-Length", None)
    else:
        _complete(headers, body.size_bytes, is_bodiless=is_bodiless)
    return WSGIAnswer(int(found[1]), found[2] or "", headers, body, is_bodiless)


def _complete(headers: HTTPHeaders, size: int, *, is_bodiless: bool) -> None:
    """Set the length, which the application may have left out; it must not be wrong."""
    length = headers.get("Content-Length")
    if length is None and (size or not is_bodiless):
        headers["Content-Length"] = str(size)
    elif not is_bodiless and length != str(size):
        raise ValueError(f"the application says Content-Length: {length}, and its answer has {size} bytes")
    headers.setdefault("Content-Type", "text/html; charset=UTF-8")
