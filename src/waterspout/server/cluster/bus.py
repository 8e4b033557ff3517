"""An adapter, as the core calls it: its results become a `Pending`, its failures are reported."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ...engine import Asker, Driver, Pending
from .adapter import Adapter


class Bus:
    """Calls an adapter's methods, and reports each kind of failure once."""

    def __init__(self, adapter: Adapter, topic: str, driver: Driver) -> None:
        self._adapter = adapter
        self._topic = topic  # what failures name: those of a node's own topic are of the same kind
        self._driver = driver
        self._reported: set[object] = set()

    @property
    def largest_word(self) -> int | None:
        """The bytes that `publish` takes at most."""
        return self._adapter.largest_word

    def attach(self, on_lost: Callable[[str], object], on_restored: Callable[[], object]) -> Pending[Any]:
        """Connect; an exception is the caller's, since the server cannot start."""
        return self._watch("attach to", self._adapter.attach(self._driver, on_lost, on_restored))

    def detach(self, driver: Driver) -> Pending[Any]:
        """Disconnect; this driver runs it, since the loop of the other one may be closed."""
        self._driver = driver
        return self._run("detach from", self._adapter.detach)

    def publish(self, topic: str, data: bytes) -> Pending[Any]:
        """Publish; the result is the number of subscribers, or None."""
        return self._watch("publish to", self._adapter.publish(topic, data))

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> Pending[Any]:
        """Subscribe."""
        return self._watch("subscribe to", self._adapter.subscribe(topic, callback))

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe."""
        self._run("unsubscribe from", lambda: self._adapter.unsubscribe(topic))

    def report(self, kind: object, text: str, error: Exception | None = None) -> None:
        """Log the first failure of its kind."""
        if kind not in self._reported:
            self._reported.add(kind)
            self._driver.report(text, error)

    # Below this line: how it is done

    def _watch(self, verb: str, result: object) -> Pending[Any]:
        """Make a `Pending` of what a method of the adapter has returned, and report its failure."""
        if result is None or isinstance(result, int):  # the most frequent
            pending: Pending[Any] = Pending(self._driver)
            pending.resolve(result)
            return pending
        if isinstance(result, Pending):
            result.when_done(partial(self._look_at, verb))
            return result
        return self._run(verb, lambda: result)

    def _run(self, verb: str, function: Callable[[], object]) -> Pending[Any]:
        """Call a function through the driver, await what it returns (as does `finish`), and report its failure."""
        pending: Pending[Any] = Pending(self._driver)
        self._driver.run(function, (), _AdapterCall(pending), verb)
        return self._watch(verb, pending)

    def _look_at(self, verb: str, pending: Pending[Any]) -> None:
        error = pending.error
        if error is not None:
            text = f"the adapter could not {verb} {self._topic!r}, further failures of this kind are not logged"
            self.report((verb, type(error)), text, error)


class _AdapterCall(Asker):
    """Waits for what an asynchronous adapter has returned; the token says what it does."""

    def __init__(self, pending: Pending[Any]) -> None:
        self._pending = pending

    def answered(self, token: str, result: object) -> None:
        self._pending.resolve(result)

    def failed(self, token: str, error: BaseException) -> None:
        self._pending.reject(error if isinstance(error, Exception) else RuntimeError(f"it ended with {error!r}"))

    def describe(self, token: str) -> str:
        return f"the adapter, asked to {token} a topic,"
