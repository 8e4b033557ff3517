"""Sockets: the application of an engine that speaks Socket.IO."""

from .acks import Replies
from .channel import Channel, Text
from .classes import event, hook
from .cluster import Adapter
from .namespace import Namespace
from .namespaces import DynamicNamespace
from .presence import Presence, Present
from .readers import Message, Stream
from .server import Server
from .socket import Socket
from .stats import Stats

__all__ = [
    "Adapter",
    "Channel",
    "DynamicNamespace",
    "Message",
    "Namespace",
    "Presence",
    "Present",
    "Replies",
    "Server",
    "Socket",
    "Stats",
    "Stream",
    "Text",
    "event",
    "hook",
]
