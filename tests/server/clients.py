"""What clients of every generation do and hear alike, each in its own words."""

import json
from typing import Any

from waterspout.testing import ENGINEIO_3, SOCKETIO_1, Pair, Peer


def vanish(pair: Pair) -> None:
    """Cut the connection; a client of 0.7 to 0.9 could come back, so let its time pass."""
    pair.peer.lose()
    if pair.peer.generation is SOCKETIO_1:
        pair.peer.polls = False
        pair.clock.advance(30.1)  # resume_timeout


def is_told(peer: Peer, message: str, data: Any = None) -> bool:
    """Tell whether a client has heard nothing but that it may not enter "/", and why."""
    if peer.generation is SOCKETIO_1:  # which has no word for why, and whose connection ends with it
        return peer.take() == ["7:::2", "0::"]
    (packet,) = [packet for packet in peer.take() if packet[:1] != "0"]
    new = {"message": message} if data is None else {"message": message, "data": data}
    old = message if data is None else data
    return packet[:2] == "44" and json.loads(packet[2:]) == (old if peer.generation is ENGINEIO_3 else new)
