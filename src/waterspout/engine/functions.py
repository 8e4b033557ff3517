"""Users' functions that are asynchronous, which not every driver can run."""

from .driver import Driver

_MOST_NAMED = 20


class AsyncFunctions:
    """Those that were registered: a driver that runs none of them is refused, and then each further one."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._names: list[str] = []

    def add(self, name: str) -> None:
        """Add one; TypeError where the driver cannot run it."""
        if not self._driver.runs_coroutines:
            raise TypeError(_refusal([name]))
        self._names.append(name)

    def follow(self, driver: Driver) -> None:
        """Follow a new driver; TypeError, which names all of them, for one that cannot run them."""
        if self._names and not driver.runs_coroutines:
            raise TypeError(_refusal(self._names))
        self._driver = driver


def _refusal(names: list[str]) -> str:
    named = [*names[:_MOST_NAMED], *([f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else [])]
    *most, last = named
    which = f"{', '.join(most)} and {last} are" if most else f"{last} is"
    return f"{which} async, and this host has no event loop for that: write a plain `def`, which may block"
