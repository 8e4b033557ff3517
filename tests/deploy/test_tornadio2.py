"""An application of TornadIO2 behind nginx and behind HAProxy (T2-B8)."""

import json
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.backends import Backend
from deploy.proxies import HOST, Front, proxied
from deploy.reports import CLIENTS, Report, report, script, talk
from deploy.test_samples import number
from deploy.visitor import Visitor
from ports import free_port
from waterspout.faces.tornadio2.router import DEFAULT_SETTINGS

ONE, OTHER = "127.0.0.9", "127.0.0.8"
FORGED = {"X_Forwarded_For": ONE, "X_Real_Ip": ONE}


@contextmanager
def served(kind: str, folder: Path, belief: str) -> Iterator[tuple[Front, Backend]]:
    """The proxy before an application that believes it, or does not; in their own folder, for several run at once."""
    port = free_port()
    command = [sys.executable, "-W", "error", "-m", "deploy.tornadio2", str(port), belief]
    with TemporaryDirectory(dir=folder) as name:
        own = Path(name)
        for file in ("cert.pem", "key.pem"):
            shutil.copy(folder / file, own)
        with (
            Backend(command, f"{HOST}:{port}", own / "log").running() as backend,
            proxied(kind, [backend.address], own) as front,
        ):
            yield front, backend


@pytest.fixture(scope="module", params=["xheaders", "trusted"])
def pair(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[tuple[Front, Backend]]:
    """The proxy and an application that believes it, in either way."""
    with served(kind, folder, request.param) as pair:
        yield pair


@pytest.fixture(scope="module")
def front(pair: tuple[Front, Backend]) -> Front:
    return pair[0]


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def secure(request: pytest.FixtureRequest) -> bool:
    value: bool = request.param
    return value


@pytest.fixture(scope="module")
def talks(node: str, front: Front) -> dict[bool, Report]:
    """What clients have reported who came plain, and over TLS."""
    return {secure: talk(node, front, secure=secure) for secure in (False, True)}


@pytest.fixture(scope="module")
def returned(node: str, kind: str, folder: Path) -> tuple[Report, int]:
    """What clients report who have seen the application go without a word, and the process that came."""
    with (
        served(kind, folder, "xheaders") as (front, backend),
        script(node, front, "clients.mjs", "return", front.url()) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        with backend.paused(signal.SIGKILL):
            pass
        return report(process, "now"), backend.pid


def begin(visitor: Visitor, **fields: str) -> str:
    """Make a handshake as clients of 0.9 do, and return the path of the polls."""
    status, body = visitor.get("/socket.io/1/", **fields)
    assert status == 200
    sid, heartbeat, close, transports = body.decode().split(":")
    assert (heartbeat, close) == ("17", "25")
    assert transports.split(",") == DEFAULT_SETTINGS["enabled_protocols"]
    return f"/socket.io/1/xhr-polling/{sid}"


def address_seen(visitor: Visitor, polls: str) -> object:
    """Return who the server takes the client of a new session for."""
    assert visitor.get(polls) == (200, b"1::")
    assert visitor.post(polls, b'5:1+::{"name":"who"}') == (200, b"")
    status, body = visitor.get(polls)
    assert (status, body[:6]) == (200, b"6:::1+")
    return json.loads(body[6:])[0]["address"]


# The official clients


@pytest.mark.parametrize(("generation", "transport"), CLIENTS)
def test_a_client_talks_through_the_proxy(
    talks: dict[bool, Report], pair: tuple[Front, Backend], secure: bool, generation: str, transport: str
) -> None:
    line = talks[secure][generation, transport]
    if line["error"] is not None:
        pytest.fail(line["error"], pytrace=False)
    over = {"upgrade": "websocket", "polling": "xhr-polling" if generation == "0.9.17" else "polling"}
    assert line["who"] == {"address": HOST, "process": pair[1].pid, "over": over.get(transport, transport)}


@pytest.mark.parametrize(("generation", "transport"), CLIENTS)
def test_a_client_comes_back_to_an_application_that_was_started_again(
    returned: tuple[Report, int], generation: str, transport: str
) -> None:
    seen, process = returned
    line = seen[generation, transport]
    if line["error"] is not None:
        pytest.fail(line["error"], pytrace=False)
    assert line["who"]["process"] == process


# Polls and streams


def test_a_poll_is_held_until_there_is_something_to_say(front: Front, secure: bool) -> None:
    with Visitor(front, secure=secure) as visitor, Visitor(front, secure=secure) as beside:
        polls = begin(visitor)
        assert visitor.get(polls) == (200, b"1::")
        visitor.ask("GET", polls)
        assert not visitor.is_answered_within(0.3)
        assert beside.post(polls, "3:::gehört 😀".encode()) == (200, b"")
        assert visitor.answer() == (200, "3:::gehört 😀".encode())


def test_an_htmlfile_arrives_piece_by_piece(front: Front, secure: bool) -> None:
    with Visitor(front, secure=secure) as visitor, Visitor(front, secure=secure) as beside:
        target = begin(visitor).replace("xhr-polling", "htmlfile")
        visitor.ask("GET", target, Accept_Encoding="gzip, deflate")
        stream = visitor.begun()
        until(stream, b"1::")
        for word in (b"first", b"second"):
            assert beside.post(target, b"3:::" + word) == (200, b"")
            until(stream, word)  # before the next is sent


def until(stream: HTTPResponse, word: bytes) -> None:
    """Read until this has come."""
    read = b""
    while word not in read:
        piece = stream.read1()
        assert piece, read
        read += piece


@pytest.mark.parametrize(
    ("sample", "setting"), [("nginx.conf", "proxy_read_timeout"), ("haproxy.cfg", "timeout server")]
)
def test_the_proxies_are_more_patient_than_tornadio2(sample: str, setting: str) -> None:
    assert number(sample, setting) > DEFAULT_SETTINGS["xhr_polling_timeout"]
    assert number(sample, setting) > DEFAULT_SETTINGS["heartbeat_interval"] * 3


# Who asks


def test_on_open_sees_the_client_s_address(front: Front, secure: bool) -> None:
    with Visitor(front, secure=secure, address=ONE) as visitor:
        assert address_seen(visitor, begin(visitor)) == ONE


def test_what_a_client_says_of_itself_is_not_believed(front: Front) -> None:
    with Visitor(front, address=OTHER) as visitor:
        assert address_seen(visitor, begin(visitor, **FORGED)) == OTHER


def test_a_session_is_for_the_address_of_its_handshake(front: Front, secure: bool) -> None:
    with Visitor(front, secure=secure, address=ONE) as visitor, Visitor(front, address=OTHER) as thief:
        polls = begin(visitor)
        assert thief.get(polls)[0] == 401
        assert thief.get(polls, **FORGED)[0] == 401
        assert thief.post(polls, b"3:::stolen")[0] == 401
        assert visitor.get(polls) == (200, b"1::")


def test_pages_of_any_origin_may_ask(front: Front, secure: bool) -> None:
    page = "http://page.example"
    with Visitor(front, secure=secure) as visitor:
        visitor.ask("GET", "/socket.io/1/", Origin=page, Host="an.alias.example")
        answer = visitor.begun()
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, page)
        answer.read()


def test_without_belief_all_come_from_the_proxy(kind: str, folder: Path) -> None:
    with (
        served(kind, folder, "plain") as (front, _),
        Visitor(front, address=ONE) as visitor,
        Visitor(front, address=OTHER) as beside,
    ):
        polls = begin(visitor, **FORGED)
        assert address_seen(beside, polls) == HOST
