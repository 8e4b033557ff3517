"""Commands for keys of a Redis Cluster, each of which is on a server of its own."""

import asyncio
from typing import TYPE_CHECKING, Any

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisError, ResponseError

from .redispipes import Answer

if TYPE_CHECKING:
    from .redisaddress import RedisAddress

_NOT_OURS = frozenset({"host", "port", "db", "connection_class"})


class ClusterCommands:
    """Sends a command to the server of its key. The package repeats those whose connection was lost."""

    def __init__(self, address: "RedisAddress") -> None:
        self._address = address
        self._client: RedisCluster | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, answer: Answer, *command: bytes) -> None:
        """Send a command, and call `answer` with what comes of it: with neither reply nor error if it is lost."""
        task = asyncio.get_running_loop().create_task(self._do(answer, command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Send no more."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _do(self, answer: Answer, command: tuple[bytes, ...]) -> None:
        reply, error = None, None
        try:
            if self._client is None:
                self._client = self._make()
            name, *arguments = command
            reply = await self._client.execute_command(name.decode(), *arguments)
        except ResponseError as failure:
            error = failure
        except (RedisError, OSError, EOFError, TimeoutError):
            pass
        finally:
            answer(reply, error)

    def _make(self) -> RedisCluster:
        servers = self._address.servers
        nodes = [ClusterNode(server["host"], server["port"]) for server in servers]
        options: dict[str, Any] = {name: value for name, value in servers[0].items() if name not in _NOT_OURS}
        if any(name.startswith("ssl") for name in servers[0]) or "connection_class" in servers[0]:
            options["ssl"] = True
        return RedisCluster(startup_nodes=nodes, protocol=2, **options)
