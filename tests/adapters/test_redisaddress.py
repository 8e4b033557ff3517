"""The URLs of a Redis."""

import asyncio

import pytest
from redis.exceptions import RedisError

from waterspout import Server
from waterspout.adapters.redis import RedisAdapter
from waterspout.adapters.redisaddress import RedisAddress


def found(url: str, attempt: int = 0) -> dict[str, object]:
    return asyncio.run(RedisAddress(url).find(attempt))


def test_the_parts_of_a_url() -> None:
    assert found("redis://") == {"host": "localhost", "port": 6379}
    assert found("redis://me:a%2Fb@[::1]:7/3") == {
        "host": "::1",
        "port": 7,
        "db": 3,
        "username": "me",
        "password": "a/b",
    }
    assert found("unix:///run/redis.sock?db=2")["path"] == "/run/redis.sock"
    assert found("rediss://h?ssl_ca_certs=/ca.pem")["ssl_ca_certs"] == "/ca.pem"


def test_several_servers_are_tried_in_turn_with_the_same_credentials() -> None:
    url = "redis://:secret@a:1,b,[::1]:3/2"
    places = [found(url, attempt) for attempt in range(4)]
    assert [(place["host"], place["port"]) for place in places] == [("a", 1), ("b", 6379), ("::1", 3), ("a", 1)]
    assert {(place["password"], place["db"]) for place in places} == {("secret", 2)}


def test_a_sentinel_url_names_a_service() -> None:
    address = RedisAddress("redis+sentinel://:secret@a,b:1/mymaster/4?sentinel_password=other")
    assert address.has_sentinels
    assert str(address) == "mymaster at a,b:1"


def test_an_address_without_a_host_is_named_localhost() -> None:
    assert [str(RedisAddress(url)) for url in ("redis://", "redis:///3", "REDIS://me:secret@")] == ["localhost"] * 3
    assert str(RedisAddress("redis+sentinel:///mymaster")) == "mymaster at localhost"


@pytest.mark.parametrize("blocking", [False, True])
def test_sentinels_that_do_not_answer_are_asked_once_and_told_of_in_a_line(blocking: bool) -> None:
    asked: list[object] = []

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)
        writer.close()

    async def find() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as sentinel:
            host = f"127.0.0.1:{sentinel.sockets[0].getsockname()[1]}"
            address = RedisAddress(f"redis+sentinel://{host},{host}/mymaster")
            await (asyncio.to_thread(address.find_blocking, 0) if blocking else address.find(0))

    with pytest.raises(RedisError, match=r"No master found for 'mymaster': .*ConnectionError") as caught:
        asyncio.run(find())
    assert len(str(caught.value)) < 150
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://localhost", "is no URL of a Redis: it begins with one of redis://, rediss://"),
        ("localhost:6379", "is no URL of a Redis"),
        ("", "is no URL of a Redis"),
        ("unix+sentinel:///x/y", "is no URL of a Redis"),
        ("redis:10.0.0.9", "is no URL of a Redis: it begins with one of redis://"),
        ("redis:/10.0.0.9", "is no URL of a Redis"),
        ("unix:/run/redis.sock", "is no URL of a Redis: .* unix://"),
        ("redis://localhost:port", "is no URL of a Redis"),
        ("redis://[::1", "is no URL of a Redis"),
        ("redis+sentinel://a:26379", r"names no service: write redis\+sentinel://HOST:26379/SERVICE"),
        (
            "redis://localhost?colour=blue",
            "the query of the URL of localhost has what no connection takes: got an .*colour",
        ),
        ("redis://localhost?socket_timeout=soon", "is no URL of a Redis: Invalid value for 'socket_timeout'"),
    ],
)
def test_what_is_no_url_is_refused_with_the_remedy(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RedisAdapter(url)
    with pytest.raises(ValueError, match=sentence):
        Server(adapter=url)


def test_no_error_shows_a_password() -> None:
    for url in ("http://me:secret@localhost?password=secret", "redis://me:secret@localhost?colour=secret2"):
        with pytest.raises(ValueError, match="localhost") as caught:
            RedisAdapter(url)
        assert "secret@" not in str(caught.value)
        assert "=secret" not in str(caught.value)
    assert "secret" not in repr(RedisAdapter("redis://me:secret@localhost/1"))
