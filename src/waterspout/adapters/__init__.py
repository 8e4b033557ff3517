"""Who carries bytes between nodes."""

from ..server import Adapter
from .extras import needs_redis
from .memory import MemoryAdapter, MemoryBus

__all__ = ["MemoryAdapter", "MemoryBus", "open_adapter"]


def open_adapter(url: str) -> Adapter:
    """Make the adapter of a URL: ValueError if there is none for it, ImportError without the package that it needs."""
    with needs_redis():
        from .redis import RedisAdapter
    return RedisAdapter(url)
