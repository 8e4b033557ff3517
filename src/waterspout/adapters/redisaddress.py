"""Where a Redis is: the URLs that an adapter takes, and the connections that they stand for."""

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import connection as blocking
from redis.asyncio import connection as connections
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError as BlockingMasterNotFoundError
from redis.sentinel import Sentinel as BlockingSentinel

CONNECT_WITHIN = 5.0  # s
CLOSED_WITHIN = 1.0  # s

_SCHEMES = "redis://, rediss:// (TLS), unix://, redis+sentinel:// and rediss+sentinel://"
_SENTINEL = "+sentinel"
# Linux. A program may emit once an hour, and what is between it and Redis forgets idle connections after some minutes.
_ALIVE: dict[int, int] = (
    {socket.TCP_USER_TIMEOUT: 20_000, socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 10}  # ms, s, s
    if hasattr(socket, "TCP_USER_TIMEOUT")
    else {}
)
# The package repeats nothing, reconnects never and sets no deadlines: all of that is the adapter's.
_OURS: dict[str, Any] = {
    "protocol": 2,
    "decode_responses": False,
    "health_check_interval": 0,
    "retry_on_timeout": False,
    "retry_on_error": [],
    "socket_timeout": None,
}
_BLOCKING: dict[Any, Callable[..., blocking.AbstractConnection]] = {
    Connection: blocking.Connection,
    connections.SSLConnection: blocking.SSLConnection,
    connections.UnixDomainSocketConnection: blocking.UnixDomainSocketConnection,
}


class RedisAddress:
    """A URL of a Redis, of several, or of Sentinels; ValueError, naming the remedy, for any other.

    `prefix` and other names in `own` are taken out of the query, for the adapter.
    """

    def __init__(self, url: str, own: frozenset[str] = frozenset()) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ValueError(f"{hide(url)!r} is no URL of a Redis: {error}") from None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.own = {name: query.pop(name) for name in own & query.keys()}
        scheme = parts.scheme.removesuffix(_SENTINEL)
        is_known = scheme in ("redis", "rediss", "unix") and (scheme != "unix" or parts.scheme == scheme)
        if not is_known or not url.strip().lower().startswith(f"{parts.scheme}://"):  # redis:host would be localhost
            raise ValueError(f"{hide(url)!r} is no URL of a Redis: it begins with one of {_SCHEMES}")
        userinfo, at, hosts = parts.netloc.rpartition("@")
        self.hosts = hosts.split(",")
        self._service, path = "", parts.path
        self._sentinel_options = {
            name.removeprefix("sentinel_"): query.pop(name)
            for name in ("sentinel_username", "sentinel_password")
            if name in query
        }
        if parts.scheme.endswith(_SENTINEL):
            self._service, _, database = path.strip("/").partition("/")
            path = f"/{database}"
            if not self._service:
                raise ValueError(f"{hide(url)!r} names no service: write {parts.scheme}://HOST:26379/SERVICE")
        credentials = userinfo + at
        options = f"?{urlencode(query)}" if query else ""
        self.servers = [
            _arguments(f"{scheme}://{credentials}{host}{path}{options}", url, 26379 if self._service else 6379)
            for host in self.hosts
        ]
        self._where = hosts or (parts.path if scheme == "unix" else "localhost")
        self._make(self.servers[0])  # a mistake in the query is told here

    def __str__(self) -> str:
        """Name it, without its password."""
        return f"{self._service} at {self._where}" if self._service else self._where

    def without_passwords(self, text: str) -> str:
        """Return a text without the passwords: Redis quotes the arguments of a command that it does not know."""
        for password in (self.servers[0].get("password"), self._sentinel_options.get("password")):
            text = text.replace(password, "***") if password else text
        return text

    @property
    def has_sentinels(self) -> bool:
        """Whether Sentinels say which Redis it is, so that it may become another."""
        return bool(self._service)

    async def find(self, attempt: int) -> dict[str, Any]:
        """Return where to connect this time: the next one of several, or the master that Sentinels name."""
        if not self._service:
            return self.servers[attempt % len(self.servers)]
        sentinel = Sentinel(**self._sentinel_arguments(AsyncRetry(NoBackoff(), 0)))  # type: ignore[no-untyped-call]
        try:
            host, port = await sentinel.discover_master(self._service)
        except MasterNotFoundError as error:
            raise _shorten(error) from None
        finally:
            for each in sentinel.sentinels:
                await each.aclose()
        return {**self.servers[0], "host": host, "port": port}

    async def connect(self, server: dict[str, Any]) -> AbstractConnection:
        """Open a connection, which has said who it is."""
        connection = self._make(server)
        is_open = False
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                await connection.connect()  # type: ignore[no-untyped-call]
            is_open = True
        finally:
            if not is_open:
                await close(connection)
        return connection

    def find_blocking(self, attempt: int) -> dict[str, Any]:
        """Do what `find` does, and block meanwhile."""
        if not self._service:
            return self.servers[attempt % len(self.servers)]
        sentinel = BlockingSentinel(**self._sentinel_arguments(Retry(NoBackoff(), 0)))  # type: ignore[no-untyped-call]
        try:
            host, port = sentinel.discover_master(self._service)  # type: ignore[no-untyped-call]
        except BlockingMasterNotFoundError as error:
            raise _shorten(error) from None
        finally:
            for each in sentinel.sentinels:
                each.close()
        return {**self.servers[0], "host": host, "port": port}

    def connect_blocking(self, server: dict[str, Any], timeout: float) -> blocking.AbstractConnection:
        """Do what `connect` does, and block meanwhile, as the connection does, at most so many seconds."""
        arguments = {**self._arguments(server), "socket_timeout": timeout, "socket_connect_timeout": CONNECT_WITHIN}
        kind = _BLOCKING[arguments.pop("connection_class", Connection)]
        connection = kind(**arguments)
        connection.connect()  # type: ignore[no-untyped-call]
        return connection

    def _make(self, server: dict[str, Any]) -> AbstractConnection:
        arguments = self._arguments(server)
        kind: Callable[..., AbstractConnection] = arguments.pop("connection_class", Connection)
        try:
            return kind(**arguments)
        except TypeError as error:
            text = str(error).rpartition("__init__() ")[2]
            raise ValueError(f"the query of the URL of {self} has what no connection takes: {text}") from None

    def _arguments(self, server: dict[str, Any]) -> dict[str, Any]:
        arguments = {"client_name": "waterspout", **server, **_OURS, "retry": Retry(NoBackoff(), 0)}
        if "path" not in arguments:
            arguments = {"socket_keepalive": True, "socket_keepalive_options": _ALIVE, **arguments}
        return arguments

    def _sentinel_arguments(self, retry: Any) -> dict[str, Any]:
        server = self.servers[0]
        tls = {name: value for name, value in server.items() if name.startswith("ssl") or name == "connection_class"}
        return {
            "sentinels": [(each["host"], each["port"]) for each in self.servers],
            "sentinel_kwargs": {
                **self._sentinel_options,
                **_plain(tls),
                "socket_timeout": CONNECT_WITHIN,
                "retry": retry,  # none: the package would try one that is gone for seconds, before it asks the next
            },
        }


async def close(connection: AbstractConnection) -> None:
    """Close a connection, and wait until it is: over TLS, the other end has to agree, which has a second for it."""
    with suppress(RedisError, OSError):
        async with asyncio.timeout(CLOSED_WITHIN):
            await connection.disconnect()


def hide(url: str) -> str:
    """Return a URL without its credentials."""
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}".partition("?")[0]


def _shorten(error: RedisError) -> RedisError:
    """Leave out the clients that the package shows in full: a kilobyte for each Sentinel."""
    text = re.sub(r"<redis\..*?>\)>\)> - ", "", str(error))
    return type(error)(text.replace(" : ", ": ", 1))


def _arguments(part: str, url: str, port: int) -> dict[str, Any]:
    try:
        arguments: dict[str, Any] = dict(connections.parse_url(part))
    except ValueError as error:
        raise ValueError(f"{hide(url)!r} is no URL of a Redis: {error}") from None
    if "path" not in arguments:
        arguments.setdefault("host", "localhost")
        arguments.setdefault("port", port)
    return arguments


def _plain(tls: dict[str, Any]) -> dict[str, Any]:
    """Return what a client of Sentinel's takes for TLS, instead of a class of connections."""
    return {**{k: v for k, v in tls.items() if k != "connection_class"}, "ssl": True} if tls else {}
