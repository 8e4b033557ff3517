"""Emit from a program that has no server: a task of Celery, a cron job, a script, a command of Django."""

from typing import TYPE_CHECKING, Any

from ..server.acks import Replies
from ..server.fanout import delivery
from ..server.inquiries import GRACE, Headcount, read_headcount, read_presence, read_replies
from ..server.presence import Presence
from ..server.remote import RemoteNamespace, new_entry
from ..server.rooms import Except, Room, Target, audience
from .extras import needs_redis

if TYPE_CHECKING:
    from .emitterlink import EmitterLink


class Emitter:
    """Sends events to the clients of all nodes, and asks them, from a program that is no node; it blocks meanwhile.

    `url`, `prefix` and `largest_word` are those of the nodes' adapter (`waterspout.adapters.redis.RedisAdapter`), and
    `path` that of their servers. It connects at the first call. `to` and `except_` are those of `Server.emit`, and
    `namespace` is that of one call.

    It may be used by many threads, and in many processes: a connection is never taken along over a fork. With gevent,
    it waits as the patched sockets do. `close`, or the end of a `with` block, closes the connections; a later call
    opens them again. Messages of one thread arrive at each node in its order.

    What cannot be sent raises what `Server.emit` does. `AdapterError`, naming the address: Redis is not reached, has
    not answered within 5 s, or refuses. Where the connection was lost meanwhile, nodes may have received the message;
    it is never received twice. ImportError without the package `redis`.
    """

    def __init__(
        self,
        url: str,
        *,
        path: str = "/socket.io",
        prefix: str = "",
        largest_word: int = 4_000_000,
    ) -> None:
        with needs_redis():
            from .emitterlink import open_link
        self._link: EmitterLink = open_link(url, path, prefix, largest_word)
        self._root = RemoteNamespace("/", self._link.destination.largest)

    def __repr__(self) -> str:
        return f"<Emitter {self._root.name} {self._link.destination.address}>"

    def __enter__(self) -> "Emitter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of(self, namespace: str) -> "Emitter":
        """Return an emitter for a namespace, over the same connections."""
        emitter = object.__new__(Emitter)
        emitter._link, emitter._root = self._link, self._at(namespace)
        return emitter

    def emit(
        self,
        event: str,
        *args: Any,
        to: Target = None,
        except_: Except = None,
        volatile: bool = False,
        compress: bool = True,
        latest: str | None = None,
        namespace: str | None = None,
    ) -> int | None:
        """Send an event to clients; see `Namespace.emit`.

        Return how many nodes have received it, which may be none; None where Redis does not know, as in a Cluster.
        """
        how = delivery(volatile=volatile, compress=compress, latest=latest)
        return self._link.publish(self._at(namespace).event(event, args, audience(to, except_), how))

    def publish(self, channel: str, data: Any, event: str | None = None) -> str:
        """Publish a message to a channel of the servers; return its id.

        Data, `event` and errors are those of `Channel.publish`. The channel need not exist on any server: a server that
        mentions it later gives those who come the messages that are kept, by default 100 for 300 s. ValueError for a
        channel that a server has ended. No message is published twice, also if the connection was lost meanwhile.
        """
        entry = new_entry(channel, data, event, self._link.destination.largest_entry)
        return self._link.append(channel, entry)

    def join(self, *rooms: Room, to: Target = None, except_: Except = None, namespace: str | None = None) -> int | None:
        """Make clients join rooms; return what `emit` does. What this program emits afterwards reaches them there."""
        return self._link.publish(self._at(namespace).join(rooms, audience(to, except_)))

    def leave(
        self, *rooms: Room, to: Target = None, except_: Except = None, namespace: str | None = None
    ) -> int | None:
        """Make clients leave rooms; return what `emit` does."""
        return self._link.publish(self._at(namespace).leave(rooms, audience(to, except_)))

    def close_room(self, room: Room, *, namespace: str | None = None) -> int | None:
        """Make all clients leave a room; return what `emit` does."""
        return self.leave(room, to=room, namespace=namespace)

    def disconnect(
        self, *, to: Target = None, except_: Except = None, close: bool = False, namespace: str | None = None
    ) -> int | None:
        """Make clients leave the namespace; with `close`, end their whole connections. Return what `emit` does."""
        return self._link.publish(self._at(namespace).disconnect(audience(to, except_), close=close))

    def call(
        self,
        event: str,
        *args: Any,
        to: Target = None,
        except_: Except = None,
        timeout: float = 60.0,
        namespace: str | None = None,
    ) -> Replies:
        """Ask clients, and wait at most `timeout` seconds, and half a second more, for their acknowledgements.

        The result is that of `Namespace.call`; a node in `missing_nodes` whose name is not known is "?". In a Redis
        Cluster, or behind a proxy that does not count, it takes at least a second.
        """
        number = self._link.number()
        question = self._at(namespace).call(event, args, audience(to, except_), timeout, number)
        survey, missing = self._link.ask(number, question, timeout + GRACE)
        return read_replies(survey.items, missing)

    def fetch_sockets(
        self, *, to: Target = None, except_: Except = None, timeout: float = 5.0, namespace: str | None = None
    ) -> Presence:
        """Ask who is there; see `Namespace.fetch_sockets`, and `call` for nodes that did not answer."""
        number = self._link.number()
        question = self._at(namespace).fetch_sockets(audience(to, except_), timeout, number)
        survey, missing = self._link.ask(number, question, timeout)
        return read_presence(survey.items, missing)

    def fetch_count(
        self, *, to: Target = None, except_: Except = None, timeout: float = 5.0, namespace: str | None = None
    ) -> Headcount:
        """Ask how many are there; see `Namespace.fetch_count`, and `call` for nodes that did not answer."""
        number = self._link.number()
        question = self._at(namespace).fetch_count(audience(to, except_), timeout, number)
        survey, missing = self._link.ask(number, question, timeout)
        return read_headcount(survey.items, missing)

    def close(self) -> None:
        """Close the connections, also of other namespaces."""
        self._link.close()

    def _at(self, namespace: str | None) -> RemoteNamespace:
        return self._root if namespace is None else RemoteNamespace(namespace, self._root.largest)
