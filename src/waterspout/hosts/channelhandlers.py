"""Channels behind request handlers of Tornado's, for applications that keep their routes, logins and headers there.

    tornado.web.Application([(r"/prices", EventSource, {"channel": prices})])

It needs nothing else of the server: neither its routes nor Socket.IO. `server.expose` is the same for every host.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any

from tornado.web import HTTPError, RequestHandler

from ..engine import Admitted, Greeting, UserFunction
from ..errors import HandshakeRefused
from ..server import Channel, Server, Subscriber
from ..server.exposureroute import OneExposure
from ..server.exposures import Exposure
from ..server.signatures import Function
from ..types import Request
from .answering import EngineHandler

__all__ = ["ChannelWebSocket", "EventSource"]

Channels = Channel | Sequence[Channel]

_OURS = ("Content-Type", "Date", "Server", "Connection", "Content-Length", "Transfer-Encoding")


class ChannelHandler(EngineHandler):
    """What the handlers of channels have in common; derive from one of them."""

    by_events = by_websocket = False

    def initialize(self, channel: Channels | None = None, server: Server | None = None) -> None:  # type: ignore[override]
        """Take the channel, or a list of them, or else the server, from the route; TypeError for all else."""
        first = channel[0] if isinstance(channel, Sequence) and channel else channel
        if isinstance(first, Channel):
            self.engine = first.engine
        elif server is not None and channel is None:
            self.engine = server.engine
        else:
            raise TypeError(f"channel is {channel!r}: give the route a channel or a list of them, or else the server")
        self.channel = channel

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None]:
        """Begin to stream, or refuse. It may be awaited, and is done before the stream is."""
        self.serve()
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        begun.set_result(None)
        return begun

    post = options = head = put = delete = patch = get

    def channels(self, *args: Any, **kwargs: Any) -> Channels | Awaitable[Channels]:
        """Return the channel for this request, or a list of up to 16: what the route has, unless it is overridden.

        It is called with the groups of the route's pattern, as `get` is, and may be a coroutine. HTTPError refuses the
        client, and so does HandshakeRefused.
        """
        if self.channel is None:
            raise HTTPError(404)
        return self.channel

    def on_subscribe(self, subscriber: Subscriber) -> Awaitable[None] | None:
        """Called when the client has subscribed. Override it at will, also as a coroutine."""
        return None

    def on_unsubscribe(self, subscriber: Subscriber) -> Awaitable[None] | None:
        """Called when the client that had subscribed is gone. Override it at will, also as a coroutine."""
        return None

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Begin the answer, with the header fields and cookies of the class."""
        if self.is_redefined:
            greeting = replace(greeting, headers=(*greeting.headers, *self._own_fields()))
        return super().begin(decision, request, greeting)

    def prepare(self) -> Awaitable[None] | None:
        """Refuse a body far beyond the limit; nothing is decided yet, for a class may answer POST by itself."""
        self._intake.announce(self._announced_bytes)
        return None

    def check_xsrf_cookie(self) -> None:
        """Check what is asked of the class's own methods, as Tornado does; a stream begins with a GET."""
        RequestHandler.check_xsrf_cookie(self)

    def check_trusted_origin(self, origin: str) -> bool:
        """Trust the origins that the application's `trusted_origins` names; a stream's are the server's affair."""
        return origin in self.application.settings.get("trusted_origins", [])

    # Below this line: how it is done

    def _admit(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            self._intake.admit(self.engine_request, OneExposure(HandlerExposure(self)))

    def find_channels(self) -> Any:
        """Ask the class for the channels; an HTTPError becomes a HandshakeRefused."""
        try:
            channels = self.channels(*self.path_args, **self.path_kwargs)
        except HTTPError as error:
            raise _refusal(error) from error
        return _await(channels) if inspect.isawaitable(channels) else channels

    def _own_fields(self) -> list[tuple[str, str]]:
        """Return what the class has set."""
        fields = [(name, value) for name, value in self._headers.get_all() if name not in _OURS]
        cookies = getattr(self, "_new_cookie", {})
        return [*fields, *(("Set-Cookie", cookie.OutputString(None)) for cookie in cookies.values())]


class EventSource(ChannelHandler):
    """Server-Sent Events of a channel: `(pattern, EventSource, {"channel": channel})` among the routes.

    `channel` may be a list of up to 16. A class that decides for each request is given the server instead,
    `{"server": server}`, and overrides `channels`. A class may override `prepare` and `get` as always, also as
    coroutines, and set header fields and cookies before it calls `super().get()`. Origins are the server's affair
    (`cors_origins`), and so is `on_handshake`.
    """

    by_events = True


class ChannelWebSocket(ChannelHandler):
    """A channel over a plain WebSocket: `(pattern, ChannelWebSocket, {"channel": channel})` among the routes.

    Clients get `{"data": ...}`, or with `?fields=id,event,data` in their URL these fields. All else is as with
    `EventSource`.
    """

    by_websocket = True


class HandlerExposure(Exposure):
    """What one request's handler exposes: its methods are asked, and not inspected for each request."""

    is_complete = True

    def __init__(self, handler: ChannelHandler) -> None:
        super().__init__(handler.engine, "/")
        self.by_events, self.by_websocket = handler.by_events, handler.by_websocket
        self._handler = handler
        if handler.is_redefined:
            self._hooks["on_subscribe"] = Function(handler.on_subscribe)
            self._hooks["on_unsubscribe"] = Function(handler.on_unsubscribe)

    def question(self, request: Request, parameters: dict[str, str]) -> UserFunction:
        """Return the method to ask."""
        return self._handler.find_channels, False


async def _await(channels: Awaitable[Channels]) -> Channels:
    try:
        return await channels
    except HTTPError as error:
        raise _refusal(error) from error


def _refusal(error: HTTPError) -> HandshakeRefused:
    return HandshakeRefused(error.status_code, error.reason or "")
