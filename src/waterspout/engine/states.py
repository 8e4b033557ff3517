"""The states of a session, and what moves it from one to the next: the whole life of a connection as a table."""

from dataclasses import dataclass
from enum import Enum

from ..types import Reason


class State(Enum):
    """Where a session is in its life."""

    __hash__ = object.__hash__  # that of Enum is a function in Python

    OPEN = "open"
    UPGRADING = "upgrading"  # still on polling, while a WebSocket proves itself
    CLOSING = "closing"  # the application has closed it; what is queued is still sent
    CLOSED = "closed"


class Step(Enum):
    """What moves a session from one state to another."""

    __hash__ = object.__hash__

    PROBE = "probe"
    UPGRADE = "upgrade"
    ABANDON = "abandon"
    CLOSE = "close"
    END = "end"


TRANSITIONS: dict[State, dict[Step, State]] = {
    State.OPEN: {Step.PROBE: State.UPGRADING, Step.CLOSE: State.CLOSING, Step.END: State.CLOSED},
    State.UPGRADING: {
        Step.UPGRADE: State.OPEN,
        Step.ABANDON: State.OPEN,
        Step.CLOSE: State.CLOSING,
        Step.END: State.CLOSED,
    },
    # a client that is changing over has stopped to poll: what is queued reaches it behind its upgrade
    State.CLOSING: {Step.UPGRADE: State.CLOSING, Step.ABANDON: State.CLOSING, Step.END: State.CLOSED},
    State.CLOSED: {},
}


def after(state: State, step: Step) -> State:
    """Return the state that a step leads to; RuntimeError for one that the state does not have."""
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        raise RuntimeError(f"a session that is {state.value} cannot {step.value}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a session ends from our side: why, and with which WebSocket close code.

    With `flush` what is queued is still sent; what is not sent `within` so many seconds, the policy's
    `close_timeout` if None, is lost.
    """

    reason: Reason = Reason.FORCED_CLOSE
    code: int = 1000
    flush: bool = True
    within: float | None = None


FORCED = Ending()
FORCED_BY_SERVER = Ending(reason=Reason.FORCED_SERVER_CLOSE)
SLOW_CONSUMER = Ending(reason=Reason.SLOW_CONSUMER, code=1008, flush=False)
SHUTDOWN = Ending(reason=Reason.SHUTDOWN, code=1001, within=1.0)
