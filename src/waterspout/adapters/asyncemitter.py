"""What emitter.py has, for programs with an asyncio loop."""

from typing import TYPE_CHECKING, Any

from ..server.acks import Replies
from ..server.fanout import delivery
from ..server.inquiries import GRACE, Headcount, read_headcount, read_presence, read_replies
from ..server.presence import Presence
from ..server.remote import RemoteNamespace, new_entry
from ..server.rooms import Except, Room, Target, audience
from .extras import needs_redis

if TYPE_CHECKING:
    from .asyncemitterlink import AsyncEmitterLink


class AsyncEmitter:
    """An `Emitter` whose calls are awaited: for programs with an asyncio loop.

    It may be used by many tasks of one loop at a time. A call that is not awaited does nothing. A call that is
    cancelled may have been carried out.
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
            from .asyncemitterlink import open_async_link
        self._link: AsyncEmitterLink = open_async_link(url, path, prefix, largest_word)
        self._root = RemoteNamespace("/", self._link.destination.largest)

    def __repr__(self) -> str:
        return f"<AsyncEmitter {self._root.name} {self._link.destination.address}>"

    async def __aenter__(self) -> "AsyncEmitter":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def of(self, namespace: str) -> "AsyncEmitter":
        """Return an emitter for a namespace, over the same connections."""
        emitter = object.__new__(AsyncEmitter)
        emitter._link, emitter._root = self._link, self._at(namespace)
        return emitter

    async def emit(
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
        """See `Emitter.emit`."""
        how = delivery(volatile=volatile, compress=compress, latest=latest)
        return await self._link.publish(self._at(namespace).event(event, args, audience(to, except_), how))

    async def publish(self, channel: str, data: Any, event: str | None = None) -> str:
        """See `Emitter.publish`."""
        entry = new_entry(channel, data, event, self._link.destination.largest_entry)
        return await self._link.append(channel, entry)

    async def join(
        self, *rooms: Room, to: Target = None, except_: Except = None, namespace: str | None = None
    ) -> int | None:
        """See `Emitter.join`."""
        return await self._link.publish(self._at(namespace).join(rooms, audience(to, except_)))

    async def leave(
        self, *rooms: Room, to: Target = None, except_: Except = None, namespace: str | None = None
    ) -> int | None:
        """See `Emitter.leave`."""
        return await self._link.publish(self._at(namespace).leave(rooms, audience(to, except_)))

    async def close_room(self, room: Room, *, namespace: str | None = None) -> int | None:
        """See `Emitter.close_room`."""
        return await self.leave(room, to=room, namespace=namespace)

    async def disconnect(
        self, *, to: Target = None, except_: Except = None, close: bool = False, namespace: str | None = None
    ) -> int | None:
        """See `Emitter.disconnect`."""
        return await self._link.publish(self._at(namespace).disconnect(audience(to, except_), close=close))

    async def call(
        self,
        event: str,
        *args: Any,
        to: Target = None,
        except_: Except = None,
        timeout: float = 60.0,
        namespace: str | None = None,
    ) -> Replies:
        """See `Emitter.call`."""
        number = self._link.number()
        question = self._at(namespace).call(event, args, audience(to, except_), timeout, number)
        survey, missing = await self._link.ask(number, question, timeout + GRACE)
        return read_replies(survey.items, missing)

    async def fetch_sockets(
        self, *, to: Target = None, except_: Except = None, timeout: float = 5.0, namespace: str | None = None
    ) -> Presence:
        """See `Emitter.fetch_sockets`."""
        number = self._link.number()
        question = self._at(namespace).fetch_sockets(audience(to, except_), timeout, number)
        survey, missing = await self._link.ask(number, question, timeout)
        return read_presence(survey.items, missing)

    async def fetch_count(
        self, *, to: Target = None, except_: Except = None, timeout: float = 5.0, namespace: str | None = None
    ) -> Headcount:
        """See `Emitter.fetch_count`."""
        number = self._link.number()
        question = self._at(namespace).fetch_count(audience(to, except_), timeout, number)
        survey, missing = await self._link.ask(number, question, timeout)
        return read_headcount(survey.items, missing)

    async def close(self) -> None:
        """Close the connections, also of other namespaces."""
        await self._link.close()

    def _at(self, namespace: str | None) -> RemoteNamespace:
        return self._root if namespace is None else RemoteNamespace(namespace, self._root.largest)
