"""Connections: state machines that are given the time.

An application (`MessageApplication` or `PacketApplication`) stands on an `Engine`, which hosts mount.
"""

from .admission import Open, Preflight, Refuse, Resume
from .deadlines import Deadlines
from .driver import Asker, Driver, Layer, Level
from .engine import Engine, MessageApplication, PacketApplication
from .pending import Pending
from .policy import Cookie, Origins, Policy
from .prepared import Prepared
from .proxies import TrustedProxies
from .response import Headers, Response
from .session import Session
from .states import TRANSITIONS, State, Step
from .transports import Exchange, Link
from .turn import Turn
from .websocket import WebSocketTransport

__all__ = [
    "TRANSITIONS",
    "Asker",
    "Cookie",
    "Deadlines",
    "Driver",
    "Engine",
    "Exchange",
    "Headers",
    "Layer",
    "Level",
    "Link",
    "MessageApplication",
    "Open",
    "Origins",
    "PacketApplication",
    "Pending",
    "Policy",
    "Preflight",
    "Prepared",
    "Refuse",
    "Response",
    "Resume",
    "Session",
    "State",
    "Step",
    "TrustedProxies",
    "Turn",
    "WebSocketTransport",
]
