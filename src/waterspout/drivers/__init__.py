"""Who lends the core its time, runs users' functions, and writes its log."""

from .asyncio import AsyncioDriver
from .inline import InlineDriver
from .log import LoopThrottle, logger, write

__all__ = ["AsyncioDriver", "InlineDriver", "LoopThrottle", "logger", "write"]
