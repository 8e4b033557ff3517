"""uvicorn with protocols of ours: WebSockets as fast as inside Tornado, in any application; polls in `uvicornhttp`.

    uvicorn --ws waterspout.hosts.uvicorn:WebSocketProtocol --http waterspout.hosts.uvicorn:HttpProtocol module:app
    gunicorn --worker-class waterspout.hosts.uvicorn.Worker module:app

How it works: the class for WebSockets reads the opening handshake as uvicorn's usual one does, and calls the
application. The scope offers the connection in its `extensions`; an `App`, wherever it is mounted, takes it, and its
messages pass uvicorn by from then on. All other WebSockets are served by uvicorn's usual class. What was taken is one
of uvicorn's connections until its end, so uvicorn counts it, and waits for it when it shuts down.
"""

from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

try:
    import uvicorn  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}: pip install 'uvicorn[standard]'", name=error.name) from None

from .asgirequests import OFFER, Offer
from .link import QueuedLink
from .output import Output
from .transportlink import TransportLink

__all__ = ["HTTP", "WEBSOCKETS", "WebSocketProtocol"]

WEBSOCKETS = f"{__name__}:WebSocketProtocol"
HTTP = f"{__name__}:HttpProtocol" if find_spec("httptools") else "auto"
"""uvicorn's options `ws` and `http`; without httptools, uvicorn serves polls by itself."""


def _usual() -> Any:
    """Return the class that uvicorn prefers; that of older versions has tasks, which would miss what is taken away."""
    with suppress(ModuleNotFoundError):
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

        return WebSocketsSansIOProtocol
    with suppress(ModuleNotFoundError):
        from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

        return WSProtocol
    raise ModuleNotFoundError(
        "uvicorn has no WebSockets yet: pip install websockets, for those that are not Waterspout's", name="websockets"
    )


_Usual: Any = _usual()


class WebSocketProtocol(_Usual):  # type: ignore[misc]
    """uvicorn's usual protocol, whose connection an `App` may take."""

    transport: Any
    _on_shutdown: Callable[[], object] | None = None
    _has_begun = _is_hasty = False

    def data_received(self, data: bytes) -> None:
        """Read the head of the request, which comes at once, or what the application has not taken."""
        if self._has_begun:
            self._is_hasty = True  # the client has not waited for the answer
        self._has_begun = True
        super().data_received(data)

    async def run_asgi(self) -> None:
        """Call the application, and offer the connection to it."""
        self.scope["extensions"][OFFER] = _Offered(self._take)
        await super().run_asgi()

    def shutdown(self) -> None:
        """End the connection: uvicorn does."""
        if self._on_shutdown is None:
            super().shutdown()
        else:
            self._on_shutdown()

    def _take(self, output: Output, on_shutdown: Callable[[], object]) -> TransportLink | None:
        """Give the connection away, as a link; None if it has ended, or if something waits in it to be read or written.

        `on_shutdown` is called when uvicorn shuts down; it is to end the connection.
        """
        transport = self.transport
        if self._is_hasty or transport.is_closing() or transport.get_write_buffer_size():
            return None
        self._on_shutdown = on_shutdown
        self.transport = _GivenAway()
        self.handshake_complete = self.close_sent = True
        transport.set_write_buffer_limits(high=0)
        is_secure = transport.get_extra_info("sslcontext") is not None
        descriptor = None if is_secure else transport.get_extra_info("socket").fileno()
        link = TransportLink(transport, output, self.connection_lost, descriptor)
        transport.set_protocol(link)
        return link


class _Offered:
    """An `Offer`. Its copy is the same offer, since middleware may copy a scope with all that is in it."""

    __slots__ = ("_take",)

    def __init__(self, take: Offer) -> None:
        self._take = take

    def __call__(self, output: Output, on_shutdown: Callable[[], object]) -> QueuedLink | None:
        return self._take(output, on_shutdown)

    def __copy__(self) -> "_Offered":
        return self

    def __deepcopy__(self, memo: object) -> "_Offered":
        return self


class _GivenAway:
    """Stands for the transport that somebody else has now."""

    def is_closing(self) -> bool:
        return True

    def close(self) -> None:
        """The owner does it."""

    write = pause_reading = resume_reading = lambda self, *_: None


if not TYPE_CHECKING:  # it would make any name an attribute

    def __getattr__(name: str) -> Any:
        """Load the classes for gunicorn and httptools, which not everybody has."""
        if name == "Worker":
            from .uvicornworker import Worker

            return Worker
        if name == "HttpProtocol":
            from .uvicornhttp import HttpProtocol

            return HttpProtocol
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
