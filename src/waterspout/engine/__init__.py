"""Connections: state machines that are given the time.

An application (`MessageApplication` or `PacketApplication`) stands on an `Engine`, which hosts mount.
"""

from ..wire.deflate import Deflate
from .admission import ANSWERED, Preflight
from .admitted import Admitted, Open, Resume
from .deadlines import Deadlines
from .driver import Asker, Driver, Layer, Level, on_core
from .engine import Engine, MessageApplication, PacketApplication
from .hostnames import AllowedHosts
from .log import MORE, Log, outline
from .messages import MessageTransport
from .pending import Pending
from .policy import Cookie, Origins, Policy
from .prepared import Prepared
from .proxies import TrustedProxies
from .refusals import Refuse
from .requests1 import ANY_HOST
from .response import Headers, Response
from .session import Session, push_to_all
from .states import FORCED_BY_SERVER, SLOW_CONSUMER, TRANSITIONS, Ending, State, Step
from .streaming import FORMS, PREAMBLES
from .throttle import Throttle
from .traffic import Traffic
from .transports import Exchange, Fed, Link, Messenger
from .turn import Turn
from .visits import Visit
from .websocket import WebSocketTransport

__all__ = [
    "ANSWERED",
    "ANY_HOST",
    "FORCED_BY_SERVER",
    "FORMS",
    "MORE",
    "PREAMBLES",
    "SLOW_CONSUMER",
    "TRANSITIONS",
    "Admitted",
    "AllowedHosts",
    "Asker",
    "Cookie",
    "Deadlines",
    "Deflate",
    "Driver",
    "Ending",
    "Engine",
    "Exchange",
    "Fed",
    "Headers",
    "Layer",
    "Level",
    "Link",
    "Log",
    "MessageApplication",
    "MessageTransport",
    "Messenger",
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
    "Throttle",
    "Traffic",
    "TrustedProxies",
    "Turn",
    "Visit",
    "WebSocketTransport",
    "on_core",
    "outline",
    "push_to_all",
]
