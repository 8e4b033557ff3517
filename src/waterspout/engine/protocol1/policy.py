"""What is a matter of choice for clients of Socket.IO 0.7 to 0.9, and for no others."""

from dataclasses import dataclass

from ..options import check_fields, check_status, one_of, or_none, transports

TRANSPORTS = ("flashsocket", "htmlfile", "xhr-multipart", "xhr-polling", "jsonp-polling")
"""Those that only these clients have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol1Policy:
    """The options of clients of Socket.IO 0.7 to 0.9; docs/protocol-1.md has them as a table.

    Times are in seconds, at most an hour. ValueError or TypeError for a value that cannot be meant.

    - `resume_timeout`: how long a session waits for another transport or GET before it ends; None is for ever.
    - `poll_hold`: how long a GET is held when there is nothing to send.
    - `transports`: those that are offered and served, in this order; None is what `Policy.transports` says.
    - `close_timeout_advertised`: the close timeout in the handshake; None is `resume_timeout`, or the time in which a
      silent client is noticed, if that is longer.
    - `unknown_session`: the HTTP status, 400 to 599, that answers a request of a session that does not exist, without a
      text; with None, the client is sent the packet that makes it start again.
    - `second_poll`: a GET beside one that is held replaces it ("replace"), or is answered with 401 ("refuse").
    - `post_reply`: the text that answers a POST.
    - `websocket_check`: a WebSocket carries nothing before its client has answered a heartbeat within `ping_timeout`.
    - `application_answers`: the application gets a client's goodbye, `Disconnect("/")`, and the packets that ask for a
      receipt, and answers both, and errors of the client's; else the engine answers before the application gets them.
    - `missed_heartbeats`: None, or how many heartbeats without an answer end a session. They are sent each
      `ping_interval`, whatever else is sent, and only heartbeats answer them.
    - `global_heartbeats`: they are sent from the handshake on; else only while a WebSocket or an endless answer carries
      the session.
    """

    resume_timeout: float | None = 30.0
    poll_hold: float = 20.0
    transports: tuple[str, ...] | None = None
    close_timeout_advertised: float | None = None
    unknown_session: int | None = None
    second_poll: str = "replace"
    post_reply: str = "1"
    websocket_check: bool = False
    application_answers: bool = False
    missed_heartbeats: int | None = None
    global_heartbeats: bool = True

    def __post_init__(self) -> None:
        check_fields(self, unknown_session=or_none(check_status), second_poll=one_of("replace", "refuse"))
        if self.transports is not None:
            object.__setattr__(self, "transports", transports(self.transports, ("websocket", *TRANSPORTS)))
