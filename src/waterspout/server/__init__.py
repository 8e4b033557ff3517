"""Sockets: the application of an engine that speaks Socket.IO."""

from .cluster import Adapter
from .namespace import Namespace
from .server import Server
from .socket import Socket

__all__ = ["Adapter", "Namespace", "Server", "Socket"]
