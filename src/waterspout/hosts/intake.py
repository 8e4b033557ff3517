"""A request of an engine, from its head to its service: what every host does alike, without I/O.

How it works: `admit` asks the engine what the request means, which may take a while. Meanwhile a host may hold the
body back, or `feed` it already. `complete` serves the request once it is decided: a refusal is answered after its
body, since a client that still sends does not see an answer before a reset; a WebSocket or an endless answer begins;
any other request goes to `Engine.respond`, whose answer may come much later. `gone` ends it at any time.

Of a body above `max_payload_bytes` nothing is kept. Up to four times as much is read out, and refused then; a longer
one is refused at once, since to read it out would be a service to an attacker. A body has a deadline. If its session
ends first, the engine answers before the body is complete, and the host closes the connection behind the answer.

A kind of intake has four methods of its own: `_answer`, `_begin`, `_cut` and `take_back`. It imports no I/O, and uses
the engine as any host does, so it is none of the engine's modules.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable

from ..engine import ANSWERED, Admission, Admitted, Decision, Engine, Greeting, Response, Resume, Route
from ..types import Request

BODY_TIMEOUT = 30.0  # s for the body of a request that was admitted
BODY_RATE = 10_000  # bytes of a body for an application beside the engine, for which it has one second more
REFUSED_BODY_TIMEOUT = 10.0  # s for one that nobody wants
TOO_SLOW = Response(408, (("Content-Type", "text/plain"),), b"the body has not come in time")
"""What a host may say to a client before its connection is cut for that."""

_READ_OUT = 4  # times the limit


def announced_bytes(content_length: str | None) -> int:
    """Return the announced length of a body; 0 for a value that is none, which the host's HTTP refuses."""
    length = (content_length or "").partition(",")[0]  # a proxy may have repeated it
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else 0


class Intake(ABC):
    """What all requests have in common: an `Exchange` of the engine.

    `admission` is not None while users' functions decide, `decision` is None until they have. `is_over`: the request is
    answered, begun, or given up.
    """

    # Few requests change these, so they are set on the class: most requests have one attribute less for each
    request: Request
    keeps_refused = False  # also the body of a request that is refused
    decision: Decision | None = None
    is_over = False
    written: Callable[[], object] | None = None
    admission: Admission | None = None
    _body_bytes = 0
    _is_expected = _is_complete = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._body: list[bytes] = []

    # What the host calls

    def admit(self, request: Request, route: Route | None = None) -> None:
        """Ask the engine what the request means; the answer may come later. A `route` decides whatever the path is."""
        self.request = request
        admission = self.engine.admit(request, self._decided, route)
        if self.decision is None:
            self.admission = admission

    @property
    def body(self) -> bytes:
        """What has come of the body, unless it is too large."""
        return b"".join(self._body)

    def expect(self, size_bytes: int = 0) -> None:
        """Called when a body follows, with its length if that is announced; it has a deadline from now on."""
        self._is_expected = True
        self._wait()
        self.announce(size_bytes)

    def announce(self, size_bytes: int) -> None:
        """Refuse a body that is announced to be far too large."""
        if size_bytes > _READ_OUT * self.engine.policy.max_payload_bytes:
            self._body_bytes = size_bytes
            self._overflow()

    def feed(self, chunk: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(chunk)
        if self._is_too_large:
            self._body.clear()
            self.announce(self._body_bytes)
        elif self.keeps_refused or not isinstance(self.decision, ANSWERED):
            self._body.append(chunk)

    def complete(self) -> None:
        """Serve the request, whose body has come, as soon as it is decided."""
        if not self._is_complete:
            self._is_complete = True
            self._wait_no_longer()
            if self.decision is not None:
                self._serve(self.decision)

    def gone(self) -> None:
        """Called when the client has gone: what was asked or admitted for it is aborted, unless it is over."""
        self._wait_no_longer()
        admission, self.admission = self.admission, None
        if admission is not None:
            admission.abort()
        if not self.is_over:
            self.is_over = True
            self._abort()

    # What the engine calls

    def respond(self, response: Response, written: Callable[[], object] | None = None) -> None:
        """Answer, unless the client has gone. `written` is called once the kernel has all of the answer, if ever."""
        if not self.is_over:
            self.is_over = True
            self.written = written
            self._wait_no_longer()
            self._answer(response)

    def due(self, kind: str, at: float) -> None:
        """Close the connection: the body has not come in time."""
        self.gone()
        self._cut()

    # What a kind of intake adds

    @abstractmethod
    def _answer(self, response: Response) -> None:
        """Send this, and call `written` then, if it is not None. Close the connection if the body is not complete."""

    @abstractmethod
    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        """Begin a WebSocket, or an endless answer. Sets `is_over` once `Engine.connect` is bound to be called."""

    @abstractmethod
    def _cut(self) -> None:
        """Close the connection."""

    @abstractmethod
    def take_back(self) -> bool:
        """Cut the connection if not all of the answer has gone to the kernel; tell whether that was so."""

    # Below this line: how it is done

    def _decided(self, decision: Decision) -> None:
        self.decision, self.admission = decision, None
        if self._is_complete:
            self._serve(decision)
        elif self._is_expected:
            self._wait()

    def _serve(self, decision: Decision) -> None:
        if self.is_over:
            return
        if isinstance(decision, ANSWERED):
            self.respond(decision.response)
        elif self._is_too_large:
            self.respond(self.engine.refuse_body(decision))
        elif (greeting := decision.greeting) is not None:
            self._begin(decision, greeting)
        else:
            body, self._body = self.body, []
            self.engine.respond(decision, self, body)

    def _overflow(self) -> None:
        """Answer before the body is complete."""
        self.complete()

    @property
    def _is_too_large(self) -> bool:
        return self._body_bytes > self.engine.policy.max_payload_bytes

    def _wait(self) -> None:
        decision = self.decision
        seconds = REFUSED_BODY_TIMEOUT if isinstance(decision, ANSWERED) else BODY_TIMEOUT
        self.engine.deadlines.set(self, "body", self.engine.driver.now() + seconds)
        if isinstance(decision, Resume):
            self.engine.await_body(decision, self)

    def _wait_no_longer(self) -> None:
        if self._is_expected:
            self._is_expected = False
            self.engine.deadlines.clear(self, "body")

    def _abort(self) -> None:
        decision, self.decision = self.decision, None
        if decision is not None and not isinstance(decision, ANSWERED):
            self.engine.abort(decision)
