"""A route of a kind of its own, for tests of what any route may expect."""

from waterspout.engine import Exchange, Refuse, Response
from waterspout.engine.http.origins import Cors
from waterspout.engine.http.response import Headers
from waterspout.engine.table import Table
from waterspout.types import Request


class ToyRoute:
    """One path, at which every request has the same answer; refusals begin with a word of its own."""

    def __init__(self, path: str, text: bytes = b"toy") -> None:
        self.path = path
        self.text = text
        self.admitted: list[str | None] = []  # origins

    def serves(self, path: str) -> bool:
        return path == self.path

    def decide(self, request: Request, cors: Cors) -> "ToyAnswer":
        self.admitted.append(cors.admitted)
        return ToyAnswer(self.text)

    def refuse(self, status: int, detail: str, headers: Headers = (), *, request: Request | None = None) -> Refuse:
        return Refuse(Response(status, headers, f"toy: {detail}".encode()), detail)


class ToyAnswer:
    """An admitted request, which is answered at once."""

    headers = ()
    session = greeting = question = None
    is_handshake = False

    def __init__(self, text: bytes) -> None:
        self.text = text

    def begin(self, table: Table, request: Request) -> None: ...

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        exchange.respond(Response(200, (("Content-Type", "text/plain"),), self.text + body))

    def abort(self, table: Table) -> None: ...

    def refuse_body(self) -> None: ...
