"""What an engine has done since it began, in numbers."""

from collections import Counter
from dataclasses import dataclass, field

from ..types import Reason


@dataclass(slots=True, eq=False)
class Traffic:
    """Counters that only grow. What moves most is counted by the read and by the write, not by the message.

    Messages and bytes are what WebSockets and the bodies of polling carried, without HTTP heads and TLS; a
    message with attachments is one of `messages_out`, and several of `messages_in`.
    """

    opened: int = 0
    refused: int = 0
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    dropped: int = 0  # volatile messages that did not wait behind others
    replaced: int = 0  # messages whose place in an outbox the next of their key took
    closed: Counter[Reason] = field(default_factory=Counter)
