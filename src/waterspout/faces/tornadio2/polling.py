"""The transports that come and go: polling by XMLHttpRequest or scripts, and htmlfile beside its POSTs."""

from collections.abc import Awaitable
from typing import Any

from tornado.web import HTTPError

from ...drivers import logger
from ...engine import PollResponse, Response
from ...hosts.handlers import EngineStreamHandler
from ...wire import surrogates
from .preflight import CheckedHandler

log = logger("tornadio2.polling")


class TornadioPollingHandlerBase(CheckedHandler):
    """What all of them share: the session, what it is told, and POSTs.

    `session` is the one that a request belongs to, while it does.
    """

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Carry a session; each transport has its own way."""
        raise NotImplementedError(f"{type(self).__name__} has no get of its own")

    def post(self, session_id: str) -> Awaitable[None] | None:
        """Let the session hear the packets of a POST, up to the first broken one, which closes it."""
        self.require_origin()
        self.session = self._get_session(session_id)
        return self.serve()

    def session_closed(self) -> None:
        """Hear from the session that it is closed, and all of it is said."""
        self._detach()

    def on_connection_close(self) -> None:
        """Hear from Tornado that the client has gone: what it has not got waits for its next request."""
        try:
            self._detach()
        finally:
            super().on_connection_close()

    def send_messages(self, messages: list[str]) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no send_messages of its own")

    def _get_session(self, session_id: str) -> Any:
        """Return the session, also a closed one that has something to say still; HTTPError(401) if there is none."""
        session = self.server.get_session(session_id)
        if session is None:
            raise HTTPError(401)
        return session

    def _detach(self) -> None:
        """Let the session go on without this request."""
        self.session = None
        self.release()

    def _carry(self, session_id: str) -> Awaitable[None] | None:
        self.session = self._get_session(session_id)
        return self.serve()


class TornadioXHRPollingHandler(TornadioPollingHandlerBase):
    """A GET that waits until there is something to say, or for `xhr_polling_timeout`."""

    name = "xhr-polling"
    _response: PollResponse

    def get(self, session_id: str) -> Awaitable[None] | None:
        return self._carry(session_id)

    def answer(self, response: Response) -> None:
        """Send the packets of an answer to a GET by `send_messages`, and any other as it is."""
        if not isinstance(response, PollResponse):
            super().answer(response)
            return
        self._response = response
        self.send_messages([packet.decode() for packet in response.packets])
        if response.is_last:
            self.session_closed()

    def send_messages(self, messages: list[str]) -> None:
        """Answer the GET with packets; the session goes on without it."""
        super().answer(self._response.carrying([surrogates.encode(message) for message in messages]))
        if not self._response.is_last:  # else `session_closed` does
            self._detach()


class TornadioHtmlFileHandler(TornadioPollingHandlerBase, EngineStreamHandler):
    """One endless page in a hidden frame of Internet Explorer: a script for each packet.

    A class that overrides nothing gives its socket to the engine.
    """

    name = "htmlfile"

    def get(self, session_id: str) -> Awaitable[None] | None:
        return self._carry(session_id)

    def send_messages(self, messages: list[str]) -> None:
        EngineStreamHandler.send_messages(self, messages)

    def session_closed(self) -> None:
        super().session_closed()
        EngineStreamHandler.session_closed(self)


class TornadioJSONPHandler(TornadioXHRPollingHandler):
    """The same by scripts that the page includes."""

    name = "jsonp"

    def get(self, session_id: str) -> Awaitable[None] | None:
        """Wait likewise, for a page that may ask: scripts are read by whoever includes them."""
        self.require_page()
        return super().get(session_id)

    def post(self, session_id: str) -> Awaitable[None] | None:
        """Let the session hear the packets of a form; 403 for a body that is none."""
        self.require_page()
        if not self.body.startswith(b"d="):
            raise HTTPError(403)
        return super().post(session_id)
