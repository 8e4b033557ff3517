"""Sockets: the application of an engine that speaks Socket.IO."""

from .acks import Replies
from .channel import Channel, Text
from .channelstream import ChannelMessage, ChannelStream
from .classes import event, hook
from .cluster import Adapter
from .exposures import Exposure
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
    "Namespace",
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
