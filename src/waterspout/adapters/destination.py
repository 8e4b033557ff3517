"""Where a program's messages go: the Redis, the topic of the nodes, and how large a message may be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis.exceptions import RedisError, ResponseError

from ..engine.options import mount_path
from ..errors import AdapterError
from ..server.cluster.messages import largest_message, node_topic
from .redis import OWN_OPTIONS, check_size
from .redisaddress import RedisAddress
from .redispipes import RedisLost

PREFIX = "emitter-"  # no node has a name like that


@dataclass(frozen=True, slots=True)
class Destination:
    """The nodes at an address. `channel` is that of all, `largest` how many bytes a message may have."""

    address: RedisAddress
    channel: str
    largest: int | None

    def channel_of(self, name: str) -> str:
        """Return the channel of what is for one node, or for one program."""
        return node_topic(self.channel, name)

    @property
    def pattern(self) -> str:
        """What matches the channels of all nodes and programs."""
        return node_topic("".join(f"\\{mark}" if mark in "*?[]\\" else mark for mark in self.channel), "*")

    def nodes_of(self, channels: list[bytes]) -> list[str]:
        """Return the names of the nodes that have these channels, which match the pattern."""
        names = [each.decode(errors="replace").rpartition("/")[2] for each in channels]
        return [name for name in names if not name.startswith(PREFIX)]

    @contextmanager
    def failures_told(self) -> Iterator[None]:
        """Make an `AdapterError` of what fails, which names the address and the remedy."""
        try:
            yield
        except ResponseError as error:
            raise AdapterError(f"the Redis at {self.address} refuses this: {error}") from error
        except (RedisError, RedisLost, OSError, EOFError) as error:
            text = str(error) or "there is no answer"
            remedy = "check the address, and that Redis runs there; the next call connects again"
            raise AdapterError(f"the Redis at {self.address} is not reached, or was lost: {text}; {remedy}") from error


def destination(url: str, path: str, prefix: str, largest_word: int) -> Destination:
    """Read the options of an emitter, which are those of the nodes; ValueError or TypeError for others."""
    address = RedisAddress(url, OWN_OPTIONS)
    topic = f"waterspout{mount_path(path)}"
    largest = largest_message(check_size(address.own.get("largest_word", largest_word)), topic)
    return Destination(address, address.own.get("prefix", prefix) + topic, largest)
