"""The life of a socket."""

from enum import Enum


class Life(Enum):
    """Where a socket is between its client's wish to enter and its end."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    GONE = "gone"


# names of a module cost 5 ns to look up, members of an Enum 150 on Python 3.11
CONNECTING, CONNECTED, GONE = Life
