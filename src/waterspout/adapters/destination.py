"""Where a program's messages go: the Redis, the topic of the nodes, and how large a message may be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.exceptions import MovedError, RedisError, ResponseError

from ..engine import Engine
from ..engine.options import mount_path
from ..errors import AdapterError
from ..server.cluster.messages import largest_message, node_topic
from ..server.log import EPOCH_CHARACTERS
from ..server.shared import Batch, NewEntry, log_key
from ..server.ways import Ways
from .redis import OWN_OPTIONS, check_size
from .redisaddress import RedisAddress
from .redislog import OVERHEAD, read_appended, topic_of
from .redispipes import RedisLost, literal
from .redisstreams import APPEND, append_arguments, keys_of

PREFIX = "emitter-"  # no node has a name like that


class Appending(NamedTuple):
    """Commands that append a message to a channel: the second one is for a Redis that does not know the script yet."""

    channel: str
    by_name: tuple[bytes, ...]
    by_text: tuple[bytes, ...]

    def read(self, reply: Any) -> str:
        """Return the id of the message; ValueError if the channel has ended."""
        appended = read_appended(reply)
        if not appended.taken:
            raise ValueError(f"the channel {self.channel!r} has ended, and nothing more can be published")
        return f"{appended.epoch}-{appended.first}"


@dataclass(frozen=True, slots=True)
class Destination:
    """The nodes at an address. `channel` is that of all.

    `largest` is how many bytes a message may have, and `largest_entry` one for a channel of the servers.
    """

    address: RedisAddress
    channel: str
    largest: int | None
    largest_entry: int

    def channel_of(self, name: str) -> str:
        """Return the channel of what is for one node, or for one program."""
        return node_topic(self.channel, name)

    @property
    def pattern(self) -> str:
        """What matches the channels of all nodes and programs."""
        return node_topic(literal(self.channel), "*")

    def nodes_of(self, channels: list[bytes]) -> list[str]:
        """Return the names of the nodes that have these channels, which match the pattern."""
        names = [each.decode(errors="replace").rpartition("/")[2] for each in channels]
        return [name for name in names if not name.startswith(PREFIX)]

    def appending(self, name: str, entry: NewEntry, writer: str, number: int) -> Appending:
        """Return the commands that append a message to a channel, once for each number of the writer."""
        topic = topic_of("", log_key(self.channel, name))
        epoch = Engine.default_driver().token()[-EPOCH_CHARACTERS:]
        limits = Ways().limits
        arguments = append_arguments(topic, Batch(writer, number, [entry], limits), {}, limits, epoch)
        keys = keys_of(topic)
        rest = (b"%d" % len(keys), *keys, *arguments)
        return Appending(name, (b"EVALSHA", APPEND.name, *rest), (b"EVAL", APPEND.text, *rest))

    def moved_to(self, error: ResponseError) -> dict[str, Any]:
        """Return the server of a Redis Cluster that has the key of a command; raise the error if it is another."""
        if not isinstance(error, MovedError):
            raise error
        host, _, port = str(error).rpartition(" ")[2].rpartition(":")
        server = self.address.servers[0]
        return {**server, "host": host or server["host"], "port": int(port)}

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
    largest = check_size(address.own.get("largest_word", largest_word))
    channel = address.own.get("prefix", prefix) + topic
    return Destination(address, channel, largest_message(largest, topic), largest - OVERHEAD)
