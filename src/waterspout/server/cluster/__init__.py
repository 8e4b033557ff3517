"""Several nodes: the seam to what carries their bytes, their messages to each other, and how each knows the others."""

from .adapter import Adapter, check_adapter
from .cluster import Cluster
from .incoming import ClusterTraffic, Gap
from .members import Node
from .messages import (
    Ask,
    Broadcast,
    BroadcastHere,
    BusDisconnect,
    Count,
    Fetch,
    ForClients,
    Join,
    Leave,
    Question,
    decode,
    encode,
    encode_word,
    pack,
    unpack,
    whom,
)

__all__ = [
    "Adapter",
    "Ask",
    "Broadcast",
    "BroadcastHere",
    "BusDisconnect",
    "Cluster",
    "ClusterTraffic",
    "Count",
    "Fetch",
    "ForClients",
    "Gap",
    "Join",
    "Leave",
    "Node",
    "Question",
    "check_adapter",
    "decode",
    "encode",
    "encode_word",
    "pack",
    "unpack",
    "whom",
]
