"""The handlers of xhr-polling, jsonp-polling and htmlfile."""

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
    """Their base: POSTs, and the `session` that the request belongs to, while it does."""

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Carry a session; each transport has its own way."""
        raise NotImplementedError(f"{type(self).__name__} has no get of its own")

    def post(self, session_id: str) -> Awaitable[None] | None:
        """Handle the packets of a POST, up to the first invalid one, which closes the session."""
        self.require_origin()
        return self._carry(session_id)

    def session_closed(self) -> None:
        """Called when the session is closed, and all packets are sent."""
        self._detach()

    def on_connection_close(self) -> None:
        """Called when the client has gone: what was not sent waits for its next request."""
        try:
            self._detach()
        finally:
            super().on_connection_close()

    def send_messages(self, messages: list[str]) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no send_messages of its own")

    def _get_session(self, session_id: str) -> Any:
        """Return the session, also a closed one with packets to send; HTTPError(401) if there is none."""
        session = self.server.get_session(session_id)
        if session is None:
            raise HTTPError(401)
        return session

    def _detach(self) -> None:
        """Detach the request from the session."""
        self.session = None
        self.release()

    def _carry(self, session_id: str) -> Awaitable[None] | None:
        self.session = self._get_session(session_id)
        return self.serve()


class TornadioXHRPollingHandler(TornadioPollingHandlerBase):
    """A GET that waits for packets, at most for `xhr_polling_timeout`."""

    name = "xhr-polling"
    _response: PollResponse

    def get(self, session_id: str) -> Awaitable[None] | None:
        return self._carry(session_id)

    def answer(self, response: Response) -> None:
        """Send the packets of a poll's answer by `send_messages`; any other answer as it is."""
        if not isinstance(response, PollResponse):
            super().answer(response)
            return
        self._response = response
        self.send_messages([packet.decode() for packet in response.packets])
        if response.is_last:
            self.session_closed()

    def send_messages(self, messages: list[str]) -> None:
        """Answer the GET with packets, and detach it."""
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

    send_messages = EngineStreamHandler.send_messages

    def session_closed(self) -> None:
        super().session_closed()
        EngineStreamHandler.session_closed(self)


class TornadioJSONPHandler(TornadioXHRPollingHandler):
    """The same for scripts that a page includes."""

    name = "jsonp"

    def get(self, session_id: str) -> Awaitable[None] | None:
        """Wait likewise, if the page may ask: whoever includes a script can read it."""
        self.require_page()
        return super().get(session_id)

    def post(self, session_id: str) -> Awaitable[None] | None:
        """Handle the packets of a form; 403 for a body that is none."""
        self.require_page()
        if not self.body.startswith(b"d="):
            raise HTTPError(403)
        return super().post(session_id)
