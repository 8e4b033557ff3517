"""Who stands where there is nobody: a session without a transport, a transport without a session."""

from collections.abc import Iterator

from ...errors import ProtocolError
from ...types import Reason
from ..prepared import Prepared


class NullTransport:
    """The transport of a session that waits for one: it takes nothing, and ends nothing. Others derive from it."""

    __slots__ = ()

    name = "none"
    fetches = False
    http = None

    def write(self, prepared: Prepared) -> bool:
        return False

    def notify(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def finish(self, code: int, text: str = "") -> bool:
        return False

    def retire(self) -> bool:
        return True

    def unsent(self) -> list[Prepared]:
        return []

    def undelivered(self) -> Iterator[str | bytes] | None: ...

    def leave(self) -> None: ...


class _Nowhere:
    """The sink of a transport that has none: before it is given one, and after its end."""

    def receive_text(self, text: str) -> None: ...

    def receive_binary(self, data: bytes) -> None: ...

    def receive_pong(self) -> None: ...

    def writable(self) -> None: ...

    def failed(self, error: ProtocolError) -> None: ...

    def lost(self, reason: Reason) -> None: ...


NOBODY = NullTransport()
NOWHERE = _Nowhere()
