"""Who carries bytes between nodes."""

from .memory import MemoryAdapter, MemoryBus

__all__ = ["MemoryAdapter", "MemoryBus"]
