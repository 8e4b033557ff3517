"""gunicorn's worker class for uvicorn with protocols of ours; `waterspout.hosts.uvicorn.Worker` is its name."""

import warnings
from typing import Any, ClassVar

try:
    from uvicorn_worker import UvicornWorker  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    with warnings.catch_warnings():  # uvicorn says that the class is in that package now
        warnings.simplefilter("ignore", DeprecationWarning)
        from uvicorn.workers import UvicornWorker

from .uvicorn import HTTP, WEBSOCKETS


class Worker(UvicornWorker):  # type: ignore[misc]
    """uvicorn's worker, with the protocols of ours for WebSockets and HTTP."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {**UvicornWorker.CONFIG_KWARGS, "ws": WEBSOCKETS, "http": HTTP}
