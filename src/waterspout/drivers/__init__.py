"""Who lends the core its time and runs users' functions."""

from .asyncio import AsyncioDriver
from .inline import InlineDriver

__all__ = ["AsyncioDriver", "InlineDriver"]
