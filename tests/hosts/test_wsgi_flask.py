"""Flask in threads, beside a server: forms, uploads, sessions, streamed answers, files and failures."""

import io
import logging
from typing import Any

import flask
import pytest

from hosts.suite.polling import chunked
from hosts.tornado_host import LOOPS
from hosts.web_host import WebHost
from waterspout import HandshakeRefused, Server
from waterspout.hosts.wsgimount import AppMount
from waterspout.hosts.wsgithreads import ThreadedWSGI, environ_of

FORM = ("Content-Type", "application/x-www-form-urlencoded")

app = flask.Flask(__name__)
app.secret_key = "a secret"


@app.post("/form")
def form() -> dict[str, Any]:
    return {"fields": flask.request.form, "address": flask.request.remote_addr, "url": flask.request.url}


@app.post("/upload")
def upload() -> dict[str, Any]:
    return {name: len(file.read()) for name, file in flask.request.files.items()}


@app.post("/text")
def text() -> bytes:
    return flask.request.get_data().upper()


@app.get("/stream")
def stream() -> Any:
    return flask.Response((f"{number}\n" for number in range(30_000)), mimetype="text/plain")


@app.get("/file")
def file() -> Any:
    return flask.send_file(io.BytesIO(b"x" * 100_000), mimetype="image/png")


@app.get("/login")
def login() -> Any:
    flask.session["user"] = "Ada"
    return flask.redirect("/file")


@app.get("/fail")
def fail() -> str:
    raise ValueError("a fault of the view")


@pytest.fixture
def host() -> WebHost:
    return WebHost(LOOPS["asyncio"])


async def serve(host: WebHost, server: Server | None = None) -> None:
    host.behind = AppMount(ThreadedWSGI(app, 2)).routes
    await host.serve(server or Server())


async def test_forms_uploads_and_bodies_without_a_length_arrive(host: WebHost) -> None:
    await serve(host)
    wire = await host.connect()
    answer = await wire.ask("POST", "/form?a=%C3%BC", FORM, body=b"name=Ada+%26+Bob")
    fields = {"address": "127.0.0.1", "fields": {"name": "Ada & Bob"}, "url": "http://localhost/form?a=\u00fc"}
    assert flask.json.loads(answer.body) == fields
    part = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n'
    body = part % (b"small", b"x") + part % (b"large", b"y" * 300_000) + b"--b--\r\n"
    answer = await wire.ask("POST", "/upload", ("Content-Type", "multipart/form-data; boundary=b"), body=body)
    assert flask.json.loads(answer.body) == {"small": 1, "large": 300_000}
    wire.send(chunked("/text", b"ab", b"c", b""))
    assert (await wire.answer()).body == b"ABC"


async def test_streamed_answers_and_files_are_whole_and_head_has_their_length(host: WebHost) -> None:
    await serve(host)
    wire = await host.connect()
    streamed = await wire.ask("GET", "/stream")
    assert streamed.body == b"".join(b"%d\n" % number for number in range(30_000))
    assert (await wire.ask("HEAD", "/stream")).field("content-length") is None  # Flask does not iterate it
    for method, body in [("GET", b"x" * 100_000), ("HEAD", b"")]:
        answer = await wire.ask(method, "/file")
        assert (answer.field("content-length"), answer.field("content-type"), answer.body) == (
            "100000",
            "image/png",
            body,
        )
    assert (await wire.ask("GET", "/elsewhere")).status == 404
    assert (await wire.ask("DELETE", "/form")).status == 405


async def test_a_view_that_raises_is_flasks_to_answer_and_its_connection_goes_on(
    host: WebHost, caplog: pytest.LogCaptureFixture
) -> None:
    await serve(host)
    wire = await host.connect()
    answer = await wire.ask("GET", "/fail")
    assert (answer.status, b"Internal Server Error" in answer.body) == (500, True)
    errors = [record.name for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [app.name, "tornado.access"]
    assert (await wire.ask("POST", "/text", body=b"a")).body == b"A"


async def test_a_handshake_has_the_session_of_the_page(host: WebHost) -> None:
    server, users = Server(), []

    @server.on_handshake
    def know(request: Any) -> None:
        with app.request_context(environ_of(request.native)):
            if "user" not in flask.session:
                raise HandshakeRefused(401)
            users.append(flask.session["user"])

    await serve(host, server)
    wire = await host.connect()
    handshake = "/socket.io/?EIO=4&transport=polling"
    assert (await wire.ask("GET", handshake)).status == 401
    cookie = (await wire.ask("GET", "/login")).field("set-cookie") or ""
    assert (await wire.ask("GET", handshake, ("Cookie", cookie.partition(";")[0]))).status == 200
    assert users == ["Ada"]
