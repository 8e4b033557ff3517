"""gunicorn's worker class for uvicorn with WebSockets of ours; `waterspout.hosts.uvicorn.Worker` is its name."""

import warnings
from typing import Any, ClassVar

try:
    from uvicorn_worker import UvicornWorker  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    with warnings.catch_warnings():  # uvicorn says that the class is in that package now
        warnings.simplefilter("ignore", DeprecationWarning)
        from uvicorn.workers import UvicornWorker

_WEBSOCKETS = "waterspout.hosts.uvicorn:WebSocketProtocol"


class Worker(UvicornWorker):  # type: ignore[misc]
    """uvicorn's worker, which lets an `App` take the connections of its WebSockets."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {**UvicornWorker.CONFIG_KWARGS, "ws": _WEBSOCKETS}
