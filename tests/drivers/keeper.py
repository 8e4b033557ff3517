"""An asker for tests of drivers."""

import asyncio
import threading
from typing import Any


class Keeper:
    """Keeps what it hears, and on which threads; `news` is set whenever it hears something."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any, Any]] = []
        self.threads: set[int] = set()
        self.news = asyncio.Event()

    def later(self, token: Any) -> "Keeper":
        return self

    def answered(self, token: Any, result: Any) -> None:
        self.heard.append(("answered", token, result))
        self._tell()

    def failed(self, token: Any, error: BaseException) -> None:
        self.heard.append(("failed", token, repr(error)))
        self._tell()

    def _tell(self) -> None:
        self.threads.add(threading.get_ident())
        self.news.set()
