"""The states of a session, and what moves it from one to the next: the whole life of a connection as a table."""

from enum import Enum


class State(Enum):
    """Where a session is in its life."""

    OPEN = "open"
    UPGRADING = "upgrading"  # still on polling, while a WebSocket proves itself
    CLOSING = "closing"  # the application has closed it; what is queued is still sent
    CLOSED = "closed"


class Step(Enum):
    """What moves a session from one state to another."""

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
    State.CLOSING: {Step.END: State.CLOSED},
    State.CLOSED: {},
}
