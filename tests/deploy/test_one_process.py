"""One process of Waterspout at a Unix socket, behind nginx, HAProxy and Apache: what each transport needs of them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.test_one_byte_too_many import LIMIT
from deploy.backends import Backend, waterspout
from deploy.proxies import HOST, Front, proxied
from deploy.reports import CLIENTS, Report, lines, script, talk
from deploy.visitor import Polling, Visitor
from hosts import flash
from ports import free_port
from serving import Client

pytestmark = pytest.mark.parametrize(
    "kind", ["nginx", "haproxy", pytest.param("apache2", marks=pytest.mark.hosts)], indirect=True, scope="module"
)

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
PAGE = "<!doctype html><title>a page beside the server</title>"


@pytest.fixture(scope="module")
def pages(folder: Path) -> Iterator[Backend]:
    """A server of pages beside: nginx has the folder, HAProxy asks this."""
    (folder / "pages").mkdir()
    (folder / "pages/index.html").write_text(PAGE, "utf-8")
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", HOST, "--directory", str(folder / "pages")]
    with Backend(command, f"{HOST}:{port}", folder / "pages.log").running() as backend:
        yield backend


@pytest.fixture(scope="module")
def front(kind: str, folder: Path, pages: Backend, host: str) -> Iterator[Front]:
    """The proxy before one process, and before the pages."""
    with (
        waterspout(folder, host=host).running() as backend,
        proxied(kind, [backend.address], folder, application=pages.address) as front,
    ):
        yield front


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def secure(request: pytest.FixtureRequest) -> bool:
    value: bool = request.param
    return value


@pytest.fixture(scope="module")
def plain_report(node: str, front: Front) -> Report:
    return talk(node, front)


@pytest.fixture(scope="module")
def secure_report(node: str, front: Front) -> Report:
    return talk(node, front, secure=True)


# The official clients


@pytest.mark.parametrize(("generation", "transport"), CLIENTS)
def test_a_client_talks_through_the_proxy(plain_report: Report, front: Front, generation: str, transport: str) -> None:
    check(plain_report[generation, transport], front, secure=False)


@pytest.mark.parametrize(("generation", "transport"), CLIENTS)
def test_a_client_talks_through_the_proxy_over_tls(
    secure_report: Report, front: Front, generation: str, transport: str
) -> None:
    check(secure_report[generation, transport], front, secure=True)


def check(line: dict[str, Any], front: Front, *, secure: bool) -> None:
    if line["error"] is not None:
        pytest.fail(line["error"], pytrace=False)
    who = line["who"]
    old = line["generation"] == "0.9.17"
    over = {"upgrade": "websocket", "polling": "xhr-polling" if old else "polling"}
    assert who["over"] == over.get(line["transport"], line["transport"])
    assert (who["address"], who["secure"]) == (HOST, secure)
    assert who["host"] == front.url(secure=secure).partition("//")[2]


# Polls and streams


def test_a_poll_is_held_until_there_is_something_to_say(front: Front, secure: bool) -> None:
    with Visitor(front, secure=secure) as visitor, Visitor(front, secure=secure) as beside:
        session = Polling(visitor)
        visitor.ask("GET", session.target)
        assert not visitor.is_answered_within(0.3)
        assert beside.post(session.target, b'42["echo","awaited"]') == (200, b"ok")
        assert visitor.answer() == (200, b'42["echo","awaited"]')


@pytest.mark.parametrize(("transport", "said"), [("htmlfile", b"<script>_("), ("xhr-multipart", b"text/plain")])
def test_a_stream_arrives_piece_by_piece(front: Front, secure: bool, transport: str, said: bytes) -> None:
    with Visitor(front, secure=secure) as visitor, Visitor(front, secure=secure) as beside:
        sid = visitor.get("/socket.io/1/")[1].partition(b":")[0].decode()
        target = f"/socket.io/1/{transport}/{sid}"
        visitor.ask("GET", target, Accept_Encoding="gzip, deflate")
        stream = visitor.begun()
        assert stream.headers["Content-Encoding"] is None
        read = b""
        while b"1::" not in read:
            read += stream.read1()
        for word in (b"first", b"second", b"third"):
            assert beside.post(target, b'5:::{"name":"echo","args":["%b"]}' % word) == (200, b"1")
            piece = b""
            while word not in piece:  # each alone: the next is not sent before it has come
                piece += stream.read1()
            assert said in piece


def test_scripts_are_answered(front: Front, secure: bool) -> None:
    page = front.url(secure=secure) + "/index.html"
    with Visitor(front, secure=secure) as visitor:
        status, body = visitor.get("/socket.io/1/?jsonp=0", Referer=page)
        assert (status, body[:12]) == (200, b"/**/io.j[0](")
        sid = json.loads(body[12:-2]).partition(":")[0]
        status, body = visitor.get(f"/socket.io/1/jsonp-polling/{sid}?i=0", Referer=page)
        assert (status, body) == (200, b'/**/io.j[0]("1::");')


def test_the_path_may_have_no_slash_at_its_end(front: Front) -> None:
    with Visitor(front) as visitor:
        assert visitor.get(HANDSHAKE.replace("/?", "?"))[0] == 200


def test_a_websocket_is_closed_with_its_code(front: Front, secure: bool) -> None:
    with Client(front.url(secure=secure), cafile=front.certificate if secure else None) as client:
        client.enter()
        client.send("an unknown packet")
        assert client.until_closed().startswith("close ")


def test_a_websocket_of_flash_gets_through_nginx_and_apache_only(front: Front, secure: bool) -> None:
    """Though 8 bytes of its handshake come behind its head. HAProxy refuses what has no key of RFC 6455."""
    with Visitor(front, secure=secure) as visitor:
        sid = visitor.get("/socket.io/1/")[1].partition(b":")[0].decode()
    path, packet = f"/socket.io/1/flashsocket/{sid}", '5:1+::{"name":"ack","args":["x"]}'
    visitor.connection.connect()
    if front.kind == "haproxy":
        visitor.connection.sock.sendall(flash.handshake(path, front.url(secure=secure)))
        assert visitor.connection.sock.recv(1000).startswith(b"HTTP/1.1 400 ")
        visitor.connection.close()
        return
    assert flash.ask(visitor.connection.sock, path, front.url(secure=secure), packet) == '6:::1+["x"]'


def test_http2_carries_what_it_can(node: str, front: Front) -> None:
    with script(node, front, "http2.mjs", front.url(secure=True)) as process:
        (seen,) = lines(process)
    assert (seen["protocol"], seen["polled"]) == ("h2", '431["over HTTP/2"]')
    assert seen["offersConnect"] == (front.kind == "haproxy")
    if seen["offersConnect"]:
        assert seen["websocket"]["status"] == 200
        assert seen["websocket"]["text"].startswith('40{"sid":')


# Who asks


def test_the_server_knows_its_client(front: Front, secure: bool) -> None:
    with Visitor(front, secure=secure, address="127.0.0.9") as visitor:
        who = Polling(visitor).call("who")
    assert (who["address"], who["secure"]) == ("127.0.0.9", secure)
    assert f"//{who['host']}" in front.url(secure=secure)


def test_what_a_client_says_of_itself_is_not_believed(front: Front) -> None:
    said = {"X_Forwarded_For": "6.6.6.6", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "other.example"}
    with Visitor(front, address="127.0.0.9") as visitor:
        who = Polling(visitor, **said).call("who")
    assert (who["address"], who["secure"]) == ("127.0.0.9", False)
    assert f"//{who['host']}" in front.url()


def test_pages_of_the_same_origin_may_connect_and_others_not(front: Front, secure: bool) -> None:
    ours, other = front.url(secure=secure), front.url(secure=not secure)
    scheme, _, place = ours.partition("://")
    origins = {
        ours: 200,
        other: 403,  # the same name at another port is another origin
        ours.rpartition(":")[0]: 403,
        ("http://" if secure else "https://") + place: 403,
        "https://other.example": 403,
    }
    for origin, status in origins.items():
        with Visitor(front, secure=secure) as visitor:
            assert visitor.get(HANDSHAKE, Origin=origin)[0] == status, origin
    with Visitor(front, secure=secure) as visitor:
        fields = {"Origin": f"{scheme}://other.example", "X_Forwarded_Host": "other.example"}
        assert visitor.get(HANDSHAKE, **fields)[0] == 403


# What is too large


def test_a_body_of_the_limit_is_taken_and_one_byte_more_refused_by_the_server(front: Front, secure: bool) -> None:
    with Visitor(front, secure=secure) as visitor:
        session = Polling(visitor)
        around = len(b'42["echo",""]')
        assert session.say(b'42["echo","' + b"x" * (LIMIT - around) + b'"]') == (200, b"ok")
        assert len(visitor.get(session.target)[1]) == LIMIT
        status, body = session.say(b'42["echo","' + b"x" * (LIMIT - around + 1) + b'"]')
        assert (status, "max_payload_bytes" in json.loads(body)["detail"]) == (413, True)
        assert session.call("ack", "alive") == "alive"


def test_what_is_far_too_large_is_refused_by_the_proxy(front: Front) -> None:
    with Visitor(front) as visitor, Visitor(front) as beside:
        session = Polling(visitor)
        beside.connection.putrequest("POST", session.target)
        beside.connection.putheader("Content-Length", str(2 * LIMIT))
        beside.connection.endheaders()  # and nothing of the body
        status, body = beside.answer()
        assert (status, b"max_payload_bytes" in body) == (413, False)
        assert session.call("ack", "alive") == "alive"


def test_a_body_whose_length_nobody_has_announced_is_counted(front: Front) -> None:
    with Visitor(front) as visitor:
        session = Polling(visitor)
        visitor.connection.request(
            "POST", session.target, iter([b"x" * LIMIT, b"x"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True
        )
        assert visitor.answer()[0] == 413


# What is beside


def test_pages_are_beside_the_server(front: Front, secure: bool) -> None:
    with Visitor(front, secure=secure) as visitor:
        assert visitor.get("/index.html") == (200, PAGE.encode())


def test_nobody_is_given_a_cookie_that_is_not_needed(front: Front) -> None:
    with Visitor(front) as visitor:
        Polling(visitor)
        assert visitor.cookies == {}


def test_the_log_has_requests_and_no_id_of_a_session(front: Front) -> None:
    with Visitor(front) as visitor:
        session = Polling(visitor)
        visitor.get("/index.html")
        old = visitor.get("/socket.io/1/")[1].partition(b":")[0].decode()
        visitor.get(f"/socket.io/1/xhr-polling/{old}")
    logged = front.logged()
    assert " 200 " in logged
    assert session.sid not in logged
    assert old not in logged
