"""Who carries bytes between nodes."""

from ..server import Adapter
from .memory import MemoryAdapter, MemoryBus

__all__ = ["MemoryAdapter", "MemoryBus", "open_adapter"]


def open_adapter(url: str) -> Adapter:
    """Make the adapter of a URL: ValueError if there is none for it, ImportError without the package that it needs."""
    try:
        from .redis import RedisAdapter
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise ImportError("the package redis is missing: pip install 'waterspout[redis]'", name="redis") from None
    return RedisAdapter(url)
