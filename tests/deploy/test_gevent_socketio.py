"""An application of gevent-socketio behind nginx, HAProxy and Apache (EX-49, GS-104)."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.backends import Backend, until_listening
from deploy.proxies import HOST, Front, Plan, find, own_user, proxied
from deploy.reports import CLIENTS, Report, talk
from deploy.visitor import Polling, Visitor
from ports import free_port

everywhere = pytest.mark.parametrize(
    "kind",
    ["apache2", *(pytest.param(kind, marks=pytest.mark.hosts) for kind in ("nginx", "haproxy"))],
    indirect=True,
    scope="module",
)
only_nginx = pytest.mark.parametrize(
    "kind", [pytest.param("nginx", marks=pytest.mark.hosts)], indirect=True, scope="module"
)
DOCUMENT = """
location / {
    proxy_pass         http://127.0.0.1:7000;
    proxy_redirect off;
}

location /socket.io {
    proxy_pass          http://127.0.0.1:7000/socket.io;
    proxy_redirect off;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
}
"""
AROUND = """
user {user};
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {document}
    }}
}}
"""


def application(address: str, folder: Path) -> Backend:
    command = [sys.executable, "-m", "deploy.gevent_socketio", address]
    return Backend(command, address, folder / "gevent_socketio.log")


@pytest.fixture(scope="module")
def front(kind: str, folder: Path) -> Iterator[Front]:
    with (
        application(f"unix:{folder}/app.sock", folder).running() as backend,
        proxied(kind, [backend.address], folder) as front,
    ):
        yield front


@pytest.fixture(scope="module")
def report(node: str, front: Front) -> Report:
    return talk(node, front)


@everywhere
@pytest.mark.parametrize(("generation", "transport"), CLIENTS)
def test_a_client_talks_through_the_proxy(report: Report, generation: str, transport: str) -> None:
    line = report[generation, transport]
    if line["error"] is not None:
        pytest.fail(line["error"], pytrace=False)
    over = {"upgrade": "websocket", "polling": "xhr-polling" if generation == "0.9.17" else "polling"}
    assert (line["who"]["over"], line["who"]["address"]) == (over.get(transport, transport), HOST)


@everywhere
def test_a_stream_arrives_piece_by_piece(front: Front) -> None:
    with Visitor(front) as visitor, Visitor(front) as beside:
        sid = visitor.get("/socket.io/1/")[1].partition(b":")[0].decode()
        target = f"/socket.io/1/htmlfile/{sid}"
        visitor.ask("GET", target, Accept_Encoding="gzip, deflate")
        stream, read = visitor.begun(), b""
        for word in (b"1::", b"first", b"second"):
            while word not in read:
                read += stream.read1()
            posted = word.replace(b"second", b"third").replace(b"first", b"second").replace(b"1::", b"first")
            assert beside.post(target, b"3:::" + posted) == (200, b"1")


@everywhere
def test_a_long_post_is_taken(front: Front) -> None:
    with Visitor(front, secure=True) as visitor:
        assert Polling(visitor).call("size", "x" * 900_000) == 900_000


@contextmanager
def as_the_document_says(folder: Path) -> Iterator[Front]:
    """Run nginx with the locations of the document, as printed but for the port, before an application."""
    port, place = free_port(), f"{HOST}:{free_port()}"
    file, log = folder / "document.conf", folder / "document.log"
    document = DOCUMENT.replace("127.0.0.1:7000", place)
    file.write_text(AROUND.format(user=" ".join(own_user()), folder=folder, port=port, document=document))
    command = [
        find("nginx") or "nginx",
        "-p",
        str(folder),
        "-c",
        str(file),
        "-e",
        f"{folder}/error",
        "-g",
        "daemon off;",
    ]
    with (
        application(place, folder).running() as backend,
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        try:
            until_listening(f"{HOST}:{port}", process, log)
            yield Front("nginx", process, Plan(folder, port, port, [backend.address], "", "one", "", ""))
        finally:
            process.terminate()


@only_nginx
def test_ex_49_the_document_s_nginx_passes_all_on(node: str, folder: Path) -> None:
    with as_the_document_says(folder) as front:
        report = talk(node, front)
        with Visitor(front) as visitor:
            assert visitor.get("/page") == (200, b"a page of the application")
    for line in report.values():
        assert line["error"] is None
        assert line["who"]["address"] == HOST  # nginx's own: the document's lines tell no other
