"""What an engine has done since it began, in numbers."""

from collections import Counter

from ..types import Reason


class Traffic:
    """Counters that only grow. What moves most is counted by the read and by the write, not by the message.

    Messages and bytes are what WebSockets and the bodies of polling carried, without HTTP heads and TLS; a
    message with attachments is one of `messages_out`, and several of `messages_in`.
    """

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "closed",
        "dropped",
        "messages_in",
        "messages_out",
        "opened",
        "refused",
        "replaced",
    )

    def __init__(self) -> None:
        self.opened = self.refused = 0
        self.messages_in = self.messages_out = 0
        self.bytes_in = self.bytes_out = 0
        self.dropped = 0  # volatile messages that did not wait behind others
        self.replaced = 0  # messages whose place in an outbox the next of their key took
        self.closed: Counter[Reason] = Counter()
