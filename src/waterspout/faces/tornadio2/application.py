"""The application of the engine: passes what happens to an engine's session on to the session of TornadIO2."""

from http.client import responses
from typing import TYPE_CHECKING

from tornado.web import HTTPError

from ...drivers import logger
from ...engine import Session as EngineSession
from ...errors import HandshakeRefused, ReservedName
from ...types import Reason, Request
from ...wire.packets import Connect, Disconnect, Error, Packet
from .carrier import carry
from .info import ActiveRequest
from .session import Session
from .sessioncontainer import SessionContainer

if TYPE_CHECKING:
    from .router import TornadioRouter

log = logger("tornadio2.session")


class FaceApplication:
    """Makes a session of TornadIO2 for each handshake: the `data` of the engine's, which its `handler` carries."""

    def __init__(self, router: "TornadioRouter", sessions: SessionContainer) -> None:
        self._router = router
        self._sessions = sessions

    def open(self, session: EngineSession, request: Request) -> None:
        """Make a session; HandshakeRefused with the status of `on_open` if it refuses, 500 if it fails.

        The client is not kept waiting for an `on_open` that goes on: that may itself wait for the client.
        """
        try:
            opened = self._router.create_session(ActiveRequest(request, session.id))
        except HTTPError as error:
            status = error.status_code if error.status_code in responses and error.status_code >= 300 else 500
            raise HandshakeRefused(status, error.reason or "") from error
        except Exception as error:
            self._router.complaints.write(log, "a client is refused, because on_open has failed", error=error)
            raise HandshakeRefused(500) from error
        session.data = opened
        self._sessions.add(opened)  # create_session may be the user's own
        opened.set_handler(carry(session, self._router.stats.on_packet_sent))
        opened.flush()

    def packet(self, session: EngineSession, packet: Packet) -> None:
        """Pass a packet on."""
        opened: Session = session.data
        if type(packet) is Error:  # of clients of 1.x to 4.x: the JavaScript servers ignore it
            return
        if isinstance(packet, Connect) and packet.namespace == "/":
            session.connected()
            if opened.carrier.enter() and packet.data:  # it has been open since the handshake
                opened.info.join(packet.data)
            return
        self._router.stats.on_packet_recv(1)
        if isinstance(packet, Disconnect) and packet.namespace == "/" and opened.endpoints and opened.carrier.leave():
            return  # of the main connection alone
        opened.receive(opened.carrier.hear(packet))

    def reserved(self, session: EngineSession, error: ReservedName) -> None:
        """Log an event that bears a name of Socket.IO's own, and drop it."""
        session.data.complain(log, "an event is ignored: %s", error)

    def announced(self, session: EngineSession, namespace: str) -> None:
        """Accept attachments for endpoints that the client has entered."""
        if namespace != "/" and namespace not in session.data.endpoints:
            session.astray(namespace, "attachments")

    def close(self, session: EngineSession, reason: Reason) -> None:
        """Close the session: its endpoints, and then the main connection."""
        opened: Session = session.data
        if opened.handler is not None:
            opened.remove_handler(opened.handler)
        opened.close()
        opened.send_queue.clear()
        self._sessions.forget(opened)
