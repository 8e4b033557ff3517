"""The way of a request to its decision, on which users' functions are asked.

How it works: a function of `cors_origins` is asked about the request's origin first. Then the request is decided
about. If it begins a session, the application's `open` is called, before anything is answered, and then the function
of the request's own, if it has one. The driver runs them, and each may answer at once or later; meanwhile the host
holds the request, and calls `abort` if its client goes.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from ...errors import HandshakeRefused, header_fields
from ...types import Reason, Request
from ..driver import Asker
from ..pending import Pending
from ..states import State
from .decisions import Admitted, Decision
from .origins import Cors
from .refusals import Answer, Refuse

if TYPE_CHECKING:
    from ..table import Table

Decide = Callable[[Request, Cors], Decision]
Decided = Callable[[Decision], object]


class Question(Enum):
    """Which of the user's functions is asked."""

    ORIGIN = "the function cors_origins"
    OPEN = "the function that decides about a handshake"
    ROUTE = "the function that decides about a path"


class Admission(Asker):
    """A request about which users' functions are asked: `decided` is called with its decision, unless it is aborted."""

    __slots__ = ("_decide", "_decided", "_decision", "_is_aborted", "_origin", "_request", "_table")

    def __init__(self, table: "Table", request: Request, decide: Decide, decided: Decided) -> None:
        self._table = table
        self._request = request
        self._decide = decide
        self._decided = decided
        self._decision: Admitted
        self._origin = ""
        self._is_aborted = False

    def ask_about(self, origin: str) -> None:
        """Ask the function `cors_origins`, and decide then."""
        self._origin = origin
        self._table.driver.run(self._table.policy.cors_origins, (origin,), self, Question.ORIGIN)  # type: ignore[arg-type]

    def ask_application(self, decision: Admitted) -> None:
        """Ask the application about the session that begins; without a function for it, nobody is asked."""
        self._decision = decision
        application, driver = self._table.application, self._table.driver
        function = getattr(application, "open", None)
        if function is None:
            self._opened(None)
            return
        run = driver.run_threaded if getattr(application, "opens_in_thread", False) else driver.run
        run(function, (decision.session, self._request), self, Question.OPEN)

    def abort(self) -> None:
        """The client has gone before there was a decision."""
        self._is_aborted = True

    # What the driver answers

    def answered(self, token: Question, result: Any) -> None:
        """Go on with what a user's function has returned."""
        if token is Question.OPEN:
            self._opened(result)
        elif token is Question.ROUTE:
            self._answered(result)
        elif not self._is_aborted:
            cors = self._table.cors
            self._go_on(replace(cors, admitted=self._origin) if result else cors)

    def failed(self, token: Question, error: BaseException) -> None:
        """Refuse the client; what is no refusal is reported."""
        if token is Question.ORIGIN:
            self._report(token, f"{token.value} failed for {self._origin[:80]!a}, which is refused", error)
            self.answered(token, False)
            return
        if not isinstance(error, HandshakeRefused):
            self._report(token, f"{token.value} failed, and the client is refused", error)
            error = HandshakeRefused(500)
        self._refuse(self._decision.refuse(error), is_known=token is Question.ROUTE)

    def describe(self, token: Question) -> str:
        """Name the function, for a warning."""
        return token.value

    # Below this line: how it is done

    def _go_on(self, cors: Cors) -> None:
        decision = self._decide(self._request, cors)
        if decision.is_handshake:
            self.ask_application(decision)
        else:
            self._tell(decision)

    def _opened(self, result: Any) -> None:
        """Go on with the decision's own function, if it has one."""
        decision = self._decision
        try:
            decision.headers = (*decision.headers, *header_fields(() if result is None else result))
        except (TypeError, ValueError) as error:
            self._report(Question.OPEN, f"{Question.OPEN.value} has returned what cannot be in its answer", error)
            self._refuse(decision.refuse(HandshakeRefused(500)), is_known=True)
            return
        if decision.question is None:
            self._let_in()
        else:
            function, is_threaded = decision.question
            driver = self._table.driver
            (driver.run_threaded if is_threaded else driver.run)(function, (), self, Question.ROUTE)

    def _answered(self, result: Any) -> None:
        """Let the decision make something of what its function has returned."""
        try:
            answer = self._decision.answered(result)
        except (TypeError, ValueError) as error:
            self._report(Question.ROUTE, f"{Question.ROUTE.value} has returned what is no answer", error)
            answer = self._decision.refuse(HandshakeRefused(500))
        if isinstance(answer, Pending):
            answer.when_done(lambda answer: self._answer(answer.result()))
        else:
            self._answer(answer)

    def _answer(self, answer: Refuse | Answer | None) -> None:
        if answer is None:
            self._let_in()
        else:
            self._refuse(answer, is_known=True)

    def _refuse(self, answer: Refuse | Answer, *, is_known: bool) -> None:
        """Answer a handshake of which no session comes; an application whose `open` has let it in hears of the end."""
        session = self._decision.session
        assert session is not None
        session.discard()
        application = self._table.application
        if is_known and hasattr(application, "open"):
            application.close(session, Reason.FORCED_CLOSE)
        self._tell(answer)

    def _let_in(self) -> None:
        """Let the client in; where it has gone, or the server is closing, the application's `close` follows at once."""
        table, decision = self._table, self._decision
        session = decision.session
        assert session is not None
        table.enter(session)
        if self._is_aborted:
            session.drop(Reason.TRANSPORT_CLOSE)
        elif table.is_closing:
            session.drop(Reason.SHUTDOWN)
            self._tell(decision.refuse_closing())
        elif session.state is State.CLOSED:
            self._tell(decision.refuse(HandshakeRefused(403, "the session was closed before it had begun")))
        else:
            self._tell(decision)

    def _tell(self, decision: Decision) -> None:
        if not self._is_aborted:
            self._table.tell(self._request, decision, self._decided)

    def _report(self, token: Question, text: str, error: BaseException) -> None:
        if isinstance(error, Exception):  # else it was cancelled, or the process ends
            self._table.log.report((token, type(error)), text, error)
