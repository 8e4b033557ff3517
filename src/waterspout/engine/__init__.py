"""Connections: state machines that are given the time.

An application (`MessageApplication` or `PacketApplication`) stands on an `Engine`, which hosts mount.
"""

from ..wire.deflate import Deflate
from .applications import MessageApplication, PacketApplication
from .deadlines import Deadlines
from .driver import INTERRUPTS, Asker, Driver, DriverMisuse, Layer, Level, on_core
from .engine import Engine
from .eventstream import EVENT_STREAM_DIALECT, STREAM_OVER, EventStreamTransport, retry_of
from .functions import AsyncFunctions
from .heartbeat import HostPings, WebSocketPings
from .http.admission import Admission
from .http.decisions import Admitted, Decision, Open, Resume, UserFunction
from .http.greetings import Greeting, Stream, Upgrade
from .http.handshakes import Handshake
from .http.hostnames import AllowedHosts
from .http.proxies import TrustedProxies
from .http.refusals import ANSWERED, Answer, Refuse, refuse_text
from .http.response import Response
from .http.routes import ANY_HOST, Route, Unknown
from .log import MORE, Log, outline
from .options import check_seconds
from .pending import Pending, done_on_core
from .policy import Cookie, Origins, Policy
from .prepared import Prepared
from .protocol1.decisions import OldRequest
from .protocol1.policy import Protocol1Policy
from .protocol1.polling import PollResponse
from .protocol1.streaming import FORMS, PREAMBLES
from .session import Session, push_to_all
from .states import SLOW_CONSUMER, TRANSITIONS, Ending, State, Step
from .traffic import Traffic
from .transports.interfaces import Exchange, Fed, Link, Messenger, StreamLink
from .transports.messages import MessageTransport
from .transports.websocket import WebSocketTransport
from .turn import Turn

__all__ = [
    "ANSWERED",
    "ANY_HOST",
    "EVENT_STREAM_DIALECT",
    "FORMS",
    "INTERRUPTS",
    "MORE",
    "PREAMBLES",
    "SLOW_CONSUMER",
    "STREAM_OVER",
    "TRANSITIONS",
    "Admission",
    "Admitted",
    "AllowedHosts",
    "Answer",
    "Asker",
    "AsyncFunctions",
    "Cookie",
    "Deadlines",
    "Decision",
    "Deflate",
    "Driver",
    "DriverMisuse",
    "Ending",
    "Engine",
    "EventStreamTransport",
    "Exchange",
    "Fed",
    "Greeting",
    "Handshake",
    "HostPings",
    "Layer",
    "Level",
    "Link",
    "Log",
    "MessageApplication",
    "MessageTransport",
    "Messenger",
    "OldRequest",
    "Open",
    "Origins",
    "PacketApplication",
    "Pending",
    "Policy",
    "PollResponse",
    "Prepared",
    "Protocol1Policy",
    "Refuse",
    "Response",
    "Resume",
    "Route",
    "Session",
    "State",
    "Step",
    "Stream",
    "StreamLink",
    "Traffic",
    "TrustedProxies",
    "Turn",
    "Unknown",
    "Upgrade",
    "UserFunction",
    "WebSocketPings",
    "WebSocketTransport",
    "check_seconds",
    "done_on_core",
    "on_core",
    "outline",
    "push_to_all",
    "refuse_text",
    "retry_of",
]
