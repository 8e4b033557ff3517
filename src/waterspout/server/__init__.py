"""Sockets: the application of an engine that speaks Socket.IO."""

from .acks import Replies
from .channel import Channel, Text
from .channelstream import ChannelMessage, ChannelStream
from .classes import event, hook
from .cluster import Adapter, Gap, Node
from .exposures import Exposure
from .inquiries import Headcount
from .namespace import Namespace
from .namespaces import DynamicNamespace
from .presence import Presence, Present
from .server import Server
from .socket import Socket
from .stats import Stats
from .subscribers import Subscriber

__all__ = [
    "Adapter",
    "Channel",
    "ChannelMessage",
    "ChannelStream",
    "DynamicNamespace",
    "Exposure",
    "Gap",
    "Headcount",
    "Namespace",
    "Node",
    "Presence",
    "Present",
    "Replies",
    "Server",
    "Socket",
    "Stats",
    "Subscriber",
    "Text",
    "event",
    "hook",
]
