"""What streams to clients of Socket.IO 0.7 to 0.9 in one endless answer: htmlfile and xhr-multipart (WP-34, WP-35)."""

from collections.abc import Callable

from ...wire.protocol1 import envelopes
from ...wire.protocol1 import socketio as socketio1
from ..prepared import Prepared
from ..transports.interfaces import Link
from ..transports.null import NullTransport
from .replay import Sent
from .session import ResumableSession

PREAMBLES: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "htmlfile": ("text/html; charset=UTF-8", lambda sid: envelopes.PREAMBLE),
    "xhr-multipart": (envelopes.MULTIPART, envelopes.encode_first_part),
}
"""The content type of each, and how its answer begins."""

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "htmlfile": envelopes.encode_chunk,
    "xhr-multipart": envelopes.encode_part,
}
"""The form of a payload in each."""


def last_words(name: str, packet: bytes) -> bytes:
    """Write the whole answer to a client that has no session: one packet, in the form of its transport."""
    return PREAMBLES[name][1]("") + FORMS[name](packet)


class StreamTransport(NullTransport):
    """One endless answer, the content of its link; what the client sends on its connection is not read.

    It has nothing to pause, for the session itself leaves its POSTs unanswered, and is not told of the outbox, for the
    link says when it takes bytes again. An answer without an end is all that is wanted of one that is left.
    """

    __slots__ = ("__weakref__", "_form", "_is_over", "_link", "_sent", "name", "session")

    def __init__(self, session: ResumableSession, name: str, link: Link) -> None:
        self.session = session
        self.name = name
        self._link = link
        self._form = FORMS[name]
        self._sent = Sent(session.replay)
        self._is_over = False

    def begin(self) -> None:
        """Write the preamble."""
        self._link.write(PREAMBLES[self.name][1](self.session.id))

    def write(self, prepared: Prepared) -> bool:
        """Write a payload of one packet; False while the link takes nothing."""
        data = prepared.form(self.name, _content_of, self._form)
        unsent_bytes = self._link.unsent_bytes
        if self._is_over or not self._link.write(data):
            return False
        self._sent.add(len(data), prepared, unsent_bytes)
        return True

    def finish(self, code: int, text: str = "") -> bool:
        """End the answer."""
        return self.retire()

    def retire(self) -> bool:
        """End the answer, and nothing else."""
        if not self._is_over:
            self._is_over = True
            self._link.finish(b"")
        return True

    def unsent(self) -> list[Prepared]:
        """Give back what has not left the link, which sends no more of it."""
        unsent = self._sent.give_back(self._link.unsent_bytes)
        if unsent:
            self._is_over = True
            self._link.close()
        return unsent

    # What the host calls

    def receive(self, data: bytes) -> None:
        """Read nothing."""

    def writable(self) -> None:
        """The socket takes bytes again."""
        if not self._is_over:
            self.session.writable()

    def lost(self) -> None:
        """The socket is gone."""
        self._is_over = True
        self.session.detach(self)


def _content_of(prepared: Prepared, form: Callable[[bytes], bytes]) -> bytes:
    return form(socketio1.as_json_message(prepared.text))
