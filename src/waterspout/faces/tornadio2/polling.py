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
    """Their base class: it handles POSTs; `session` is the session that the request is attached to, or None."""

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Attach the request to a session; each transport overrides this."""
        raise NotImplementedError(f"{type(self).__name__} has no get of its own")

    def post(self, session_id: str) -> Awaitable[None] | None:
        """Handle the packets of a POST; the first invalid one closes the session, and the rest is ignored."""
        self.require_origin()
        return self._carry(session_id)

    def session_closed(self) -> None:
        """Called when the session is closed and all packets are sent."""
        self._detach()

    def on_connection_close(self) -> None:
        """Called when the client has disconnected; unsent packets wait for its next request."""
        try:
            self._detach()
        finally:
            super().on_connection_close()

    def send_messages(self, messages: list[str]) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no send_messages of its own")

    def _get_session(self, session_id: str) -> Any:
        """Return the session, also a closed one with unsent packets; HTTPError(401) if there is none."""
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
    """A GET that waits for packets, for at most `xhr_polling_timeout`."""

    name = "xhr-polling"
    _response: PollResponse

    def get(self, session_id: str) -> Awaitable[None] | None:
        return self._carry(session_id)

    def answer(self, response: Response) -> None:
        """Send the packets of a poll's answer with `send_messages`; send any other answer unchanged."""
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
        if not self._response.is_last:  # else `session_closed` detaches it
            self._detach()


class TornadioHtmlFileHandler(TornadioPollingHandlerBase, EngineStreamHandler):
    """An endless page in a hidden frame of Internet Explorer, with a script for each packet.

    A class without overrides hands its socket to the engine.
    """

    name = "htmlfile"

    def get(self, session_id: str) -> Awaitable[None] | None:
        return self._carry(session_id)

    send_messages = EngineStreamHandler.send_messages

    def session_closed(self) -> None:
        super().session_closed()
        EngineStreamHandler.session_closed(self)


class TornadioJSONPHandler(TornadioXHRPollingHandler):
    """The same for script elements."""

    name = "jsonp"

    def get(self, session_id: str) -> Awaitable[None] | None:
        """Wait likewise, if the page is allowed: it can read the script that it includes."""
        self.require_page()
        return super().get(session_id)

    def post(self, session_id: str) -> Awaitable[None] | None:
        """Handle the packets of a form; 403 for any other body."""
        self.require_page()
        if not self.body.startswith(b"d="):
            raise HTTPError(403)
        return super().post(session_id)
