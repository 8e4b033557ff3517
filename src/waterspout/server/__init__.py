"""Sockets: the application of an engine that speaks Socket.IO."""

from .acks import Replies
from .channel import Channel, Text
from .channelstream import ChannelMessage, ChannelStream
from .classes import event, hook
from .cluster import Adapter
from .namespace import Namespace
from .namespaces import DynamicNamespace
from .presence import Presence, Present
from .server import Server
from .socket import Socket
from .stats import Stats

__all__ = [
    "Adapter",
    "Channel",
    "ChannelMessage",
    "ChannelStream",
    "DynamicNamespace",
    "Namespace",
    "Presence",
    "Present",
    "Replies",
    "Server",
    "Socket",
    "Stats",
    "Text",
    "event",
    "hook",
]
