"""Packages that not everybody has installed."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_redis() -> Iterator[None]:
    """Import what needs the package `redis`: an ImportError says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        raise ImportError("the package redis is missing: pip install 'waterspout[redis]'", name="redis") from None
