"""The seam between nodes and what carries their bytes."""

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from ...engine import Driver, Pending

LEAST_LARGEST_WORD = 131_072
"""What the `largest_word` of an adapter is at least, for the hello of a node needs it."""


@runtime_checkable
class Adapter(Protocol):
    """Carries bytes between nodes. It belongs to one server.

    What its verbs return may be a `Pending`, another awaitable, or the result itself; a failure there is reported.

    It need not promise delivery: each node numbers what it publishes, repairs what is lost from the sender's memory,
    drops what comes twice, and reports what cannot be repaired. It should keep the order of one node's messages, for
    what comes out of order is held back. It never retries by itself, and never drops a subscription or reconnects
    without `on_lost` and `on_restored`.
    """

    largest_word: int | None
    """The bytes that `publish` takes at most; None is no limit. Larger broadcasts are refused, answers are divided.

    At least 131,072, which the hello of a node may need.
    """

    def attach(
        self, driver: Driver, on_lost: Callable[[str], object], on_restored: Callable[[], object]
    ) -> Awaitable[None] | None:
        """Connect: the server runs on this driver's loop now, on whose thread all callbacks are to be called.

        The result is done when the adapter is connected. `subscribe` may be called before; `publish` is called
        afterwards only, and not between `on_lost` and `on_restored`. A broker that cannot be reached is no failure:
        call `on_lost` with the reason, and try again. An error of the result is final: the server stays alone.
        `check_free` raises the RuntimeError for an adapter that another server uses.

        `on_lost(reason)`: a connection to the broker, or a subscription, is gone. `on_restored()`: all connections
        are back, and all subscriptions are confirmed anew. Until then the server keeps what it has to publish. They
        alternate, and the first is `on_lost`; what was published shortly before a loss may have arrived or not.
        """

    def detach(self) -> Awaitable[None] | None:
        """Disconnect: the loop ends. The subscriptions are over; another `attach` may follow, with another loop.

        `Server.close` waits for the result for the rest of `shutdown_timeout`, at least for 1 s, and then cancels it.
        What was published before is still sent, if it can be.
        """

    def publish(self, topic: str, data: bytes) -> "Pending[int | None] | Awaitable[int | None] | int | None":
        """Give the data to all subscribers of the topic, the publisher's own included.

        The result is the number of subscribers, all nodes together, or None where the broker does not know it.
        """

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> Awaitable[None] | None:
        """Call back with all data of the topic; the result is done when the broker has confirmed it.

        A node has one subscription for each topic.
        """

    def unsubscribe(self, topic: str) -> Awaitable[None] | None:
        """End the subscription of this node."""


def check_free(driver: Driver | None) -> None:
    """Refuse to attach an adapter that is attached, unless the loop of this driver, its own, has been closed."""
    if driver is not None and not driver.is_over(idle=False):
        raise RuntimeError("this adapter is in use: give each server an adapter of its own, or close the other first")


def check_adapter(adapter: object) -> None:
    """Refuse what is neither None nor an adapter, and an adapter that carries too little."""
    if adapter is None:
        return
    if not isinstance(adapter, Adapter):
        raise TypeError(
            f"adapter is {adapter!r}: give a URL, as in 'redis://localhost', or an object, such as "
            f"waterspout.adapters.MemoryAdapter(bus)"
        )
    largest = adapter.largest_word
    if largest is not None and largest < LEAST_LARGEST_WORD:
        raise ValueError(f"the adapter carries {largest} bytes (largest_word), and nodes need {LEAST_LARGEST_WORD}")
