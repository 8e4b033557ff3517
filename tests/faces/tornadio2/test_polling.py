"""The polling handlers of TornadIO2, as they are and overridden."""

import asyncio
import logging
import re
from typing import Any
from urllib.parse import quote_plus

import pytest
from tornado.web import HTTPError

from faces.tornadio2.routing import PAGE, PATH, Router, RouterHost, chunk, poll, visit
from hosts.client import Answer, request
from hosts.host import Host
from waterspout import Reason
from waterspout.engine import Prepared
from waterspout.engine.protocol1.polling import OldPollingTransport
from waterspout.faces.tornadio2 import polling
from waterspout.wire import json

REFERRED = ("Referer", "http://localhost/")

calls: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    calls.clear()


async def post(host: Host, sid: str, body: str, transport: str = "xhr-polling", *fields: tuple[str, str]) -> Answer:
    where = f"{PATH}/{transport}/{sid}" + ("?i=0" if transport == "jsonp-polling" else "")
    return await (await host.connect()).ask("POST", where, REFERRED, *fields, body=body.encode())


async def get(host: Host, sid: str, *fields: tuple[str, str], transport: str = "xhr-polling") -> Answer:
    where = f"{PATH}/{transport}/{sid}" + ("?i=7" if transport == "jsonp-polling" else "")
    return await (await host.connect()).ask("GET", where, REFERRED, *fields)


def is_parked(server: Router, sid: str) -> bool:
    transport: Any = server.engine.sessions[sid].transport
    return isinstance(transport, OldPollingTransport) and transport._poll is not None


def recording(kind: type[polling.TornadioPollingHandlerBase]) -> Any:
    """Make a class that overrides all that was documented, and calls `super`."""

    class Recording(kind):  # type: ignore[valid-type, misc]
        def get(self, session_id: str) -> None:  # as of old, it returns nothing
            calls.append("get")
            super().get(session_id)

        def post(self, session_id: str) -> None:
            calls.append(self.request.body)
            super().post(session_id)

        def session_closed(self) -> None:
            calls.append("session_closed")
            super().session_closed()

        def on_connection_close(self) -> None:
            calls.append("on_connection_close")
            super().on_connection_close()

        def send_messages(self, messages: list[str]) -> None:
            calls.append(messages)
            super().send_messages(messages)

        def _get_session(self, session_id: str) -> Any:
            session = super()._get_session(session_id)
            calls.append(session)
            return session

        def _detach(self) -> None:
            calls.append(self.session)
            super()._detach()
            calls.append(self.session)

    return Recording


def test_they_have_their_names() -> None:
    names = [
        kind.name
        for kind in (polling.TornadioXHRPollingHandler, polling.TornadioHtmlFileHandler, polling.TornadioJSONPHandler)
    ]
    assert names == ["xhr-polling", "htmlfile", "jsonp"]


# xhr-polling


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("is_overridden", [False, True])
async def test_a_get_brings_what_waits_and_else_waits(host: RouterHost, server: Router, is_overridden: bool) -> None:
    if is_overridden:
        server.protocols["xhr-polling"] = recording(polling.TornadioXHRPollingHandler)
    sid = await host.begin()
    answer = await get(host, sid)
    assert (answer.status, answer.body, answer.field("content-type")) == (200, b"1::", "text/plain; charset=UTF-8")
    assert answer.field("etag") is None
    wire = await poll(host, sid)
    await host.until(lambda: is_parked(server, sid))
    assert host.numbers[0] == 1
    answer = await post(host, sid, "\ufffd6\ufffd3:::hé\ufffd10\ufffd3:::a\r\nb😀")
    assert (answer.status, answer.body, answer.field("content-type")) == (200, b"", "text/plain; charset=UTF-8")
    assert (await wire.answer()).body.decode() == "\ufffd6\ufffd3:::hé\ufffd10\ufffd3:::a\r\nb😀"
    assert server.application.heard == ["hé", "a\r\nb😀"]
    assert host.numbers == (0, 2)
    if is_overridden:
        session = f"the session {sid}"
        body = "\ufffd6\ufffd3:::hé\ufffd10\ufffd3:::a\r\nb😀".encode()
        assert calls == [
            *("get", session, ["1::"], session, None),
            *("get", session, body, session, ["3:::hé", "3:::a\r\nb😀"], session, None),
        ]


@pytest.mark.usefixtures("quiet")
async def test_the_same_packets_twice_are_no_304(host: RouterHost, server: Router) -> None:
    sid = await host.begin()
    await get(host, sid)
    for _ in range(2):
        server.tell("same")
        answer = await get(host, sid, ("If-None-Match", "*"))
        assert (answer.status, answer.body) == (200, b"3:::same")


async def test_a_second_get_is_answered_with_401_and_the_first_goes_on(host: RouterHost, server: Router) -> None:
    sid = await host.begin()
    await get(host, sid)
    wire = await poll(host, sid)
    await host.until(lambda: is_parked(server, sid))
    assert (await get(host, sid)).status == 401
    server.tell("a")
    assert (await wire.answer()).body == b"3:::a"


@pytest.mark.usefixtures("quiet")
async def test_a_get_that_is_held_too_long_gets_a_noop(host: RouterHost) -> None:
    server = host.router = Router(poll_hold=0.01)
    server.protocols["xhr-polling"] = recording(polling.TornadioXHRPollingHandler)
    sid = await host.begin()
    assert [(await get(host, sid)).body for _ in range(2)] == [b"1::", b"8::"]
    assert calls[-3:] == [["8::"], f"the session {sid}", None], "it is answered, and detached from its session"


@pytest.mark.usefixtures("quiet")
async def test_a_client_that_has_gone_loses_nothing(host: RouterHost, server: Router) -> None:
    server.protocols["xhr-polling"] = recording(polling.TornadioXHRPollingHandler)
    sid = await host.begin()
    await get(host, sid)
    wire = await poll(host, sid)
    await host.until(lambda: is_parked(server, sid))
    calls.clear()
    wire.cut()
    await host.until(lambda: not is_parked(server, sid))
    assert calls == ["on_connection_close", f"the session {sid}", None]
    server.tell("a", "b")
    assert (await get(host, sid)).body.decode() == "\ufffd5\ufffd3:::a\ufffd5\ufffd3:::b"
    assert host.numbers[0] == 0


async def test_a_closed_session_is_drained_once_and_then_unknown(host: RouterHost, server: Router) -> None:
    server.protocols["xhr-polling"] = recording(polling.TornadioXHRPollingHandler)
    sid = await host.begin()
    server.tell("last")
    server.engine.sessions[sid].close()
    assert (await get(host, sid)).body.endswith(b"3:::last")
    assert calls[-3:] == ["session_closed", f"the session {sid}", None]
    assert (await get(host, sid)).status == 401
    assert (await post(host, sid, "3:::late")).status == 401
    assert server.application.closed == [Reason.FORCED_CLOSE]


async def test_detach_lets_the_session_go_on_without_the_request(host: RouterHost, server: Router) -> None:
    class Detaching(polling.TornadioXHRPollingHandler):
        def get(self, session_id: str) -> Any:
            super().get(session_id)
            if is_parked(server, session_id):
                self._detach()
                self.finish("detached")

    server.protocols["xhr-polling"] = Detaching
    sid = await host.begin()
    assert [(await get(host, sid)).body for _ in range(2)] == [b"1::", b"detached"]
    assert not is_parked(server, sid)
    assert host.numbers[0] == 0
    assert server.application.closed == []


async def test_a_handler_may_say_something_else(host: RouterHost, server: Router) -> None:
    class Loud(polling.TornadioXHRPollingHandler):
        def send_messages(self, messages: list[str]) -> None:
            super().send_messages([message.upper() for message in [*messages, "3:::p.s."]])

    server.protocols["xhr-polling"] = Loud
    sid = await host.begin()
    await get(host, sid)
    server.tell("a")
    assert (await get(host, sid)).body.decode() == "\ufffd5\ufffd3:::A\ufffd8\ufffd3:::P.S."


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_gets_a_session_is_the_users_decision_too(host: RouterHost, server: Router, method: str) -> None:
    class Guarded(polling.TornadioXHRPollingHandler):
        def _get_session(self, session_id: str) -> Any:
            raise HTTPError(403)

    server.protocols["xhr-polling"] = Guarded
    sid = await host.begin()
    assert (await (await host.connect()).ask(method, f"{PATH}/xhr-polling/{sid}", body=b"3:::a")).status == 403
    assert server.application.heard == []
    assert sid in server.engine.sessions
    assert host.numbers[0] == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling", "htmlfile"])
async def test_an_unknown_session_is_answered_with_401(host: RouterHost, method: str, transport: str) -> None:
    await host.begin()
    where = f"{PATH}/{transport}/unknown?i=0"
    answer = await (await host.connect()).ask(method, where, REFERRED, body=b"d=" if method == "POST" else b"")
    assert answer.status == 401
    assert b"unknown" not in answer.body


async def test_the_base_has_no_transport_of_its_own(host: RouterHost, server: Router) -> None:
    server.protocols["xhr-polling"] = polling.TornadioPollingHandlerBase
    sid = await host.begin()
    assert (await get(host, sid)).status == 500
    assert (await post(host, sid, "3:::a")).status == 200
    assert server.application.heard == ["a"]


@pytest.mark.usefixtures("quiet")
async def test_internet_explorers_prefix_is_dropped(host: RouterHost, server: Router) -> None:
    sid = await host.begin()
    assert (await post(host, sid, "data=3:::data=a")).status == 200
    assert server.application.heard == ["data=a"]


async def test_a_broken_packet_closes_its_session_behind_the_packets_before_it(
    host: RouterHost, server: Router
) -> None:
    sid = await host.begin()
    assert (await post(host, sid, "\ufffd5\ufffd3:::a\ufffd7\ufffdgarbage\ufffd5\ufffd3:::b")).status == 400
    assert server.application.heard == ["a"]
    assert server.application.closed == [Reason.PARSE_ERROR]
    assert (await get(host, sid)).status == 401


@pytest.mark.usefixtures("quiet")
async def test_a_body_in_chunks_is_read(host: RouterHost, server: Router) -> None:
    sid = await host.begin()
    wire = await host.connect()
    head = request("POST", f"{PATH}/xhr-polling/{sid}", ("Transfer-Encoding", "chunked"))
    wire.send(head.replace(b"Content-Length: 0\r\n", b"") + b"4\r\n3:::\r\n1\r\na\r\n0\r\n\r\n")
    assert (await wire.answer()).status == 200
    assert server.application.heard == ["a"]


async def test_a_body_above_the_limit_is_refused_and_the_session_goes_on(host: RouterHost) -> None:
    server = host.router = Router(max_payload_bytes=1000)
    sid = await host.begin()
    assert (await post(host, sid, "3:::" + "x" * 997)).status == 413
    wire = await host.connect()
    wire.send(request("POST", f"{PATH}/xhr-polling/{sid}").replace(b"Length: 0", b"Length: 4001"))
    assert (await wire.answer()).status == 413
    assert (await post(host, sid, "3:::" + "x" * 996)).status == 200
    assert server.application.heard == ["x" * 996]


async def test_an_application_that_checks_xsrf_cookies_has_its_own_forms_in_mind(
    host: RouterHost, server: Router
) -> None:
    host.settings = {"xsrf_cookies": True, "cross_origin_protection": True}
    sid = await host.begin()
    assert (await post(host, sid, "3:::a", "xhr-polling", ("Origin", PAGE))).status == 200
    assert server.application.heard == ["a"]


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling", "htmlfile"])
async def test_who_asks_to_be_gone_is(host: RouterHost, server: Router, transport: str) -> None:
    sid = await host.begin()
    wire = await host.connect()
    where = f"{PATH}/{transport}/{sid}?t=1&i=0&disconnect=1"
    answer = await wire.ask("GET", where, REFERRED)
    assert (answer.status, answer.body) == (200, b"")
    assert server.application.closed == [Reason.CLIENT_DISCONNECT]
    assert (await get(host, sid, transport=transport)).status == 401


# jsonp-polling


def evaluated(script: bytes) -> str:
    found = re.fullmatch(rb'/\*\*/io\.j\[7\]\((".*")\);', script)
    assert found, script
    return str(json.decode(found[1].decode()))


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("is_overridden", [False, True])
async def test_jsonp_brings_scripts_and_takes_forms(host: RouterHost, server: Router, is_overridden: bool) -> None:
    if is_overridden:
        server.protocols["jsonp-polling"] = recording(polling.TornadioJSONPHandler)
    sid = await host.begin()
    answer = await get(host, sid, transport="jsonp-polling")
    assert (answer.status, evaluated(answer.body)) == (200, "1::")
    assert answer.field("content-type") == "text/javascript; charset=UTF-8"
    assert answer.field("x-xss-protection") == "0"
    text = "'\"\\</script>\u2028é😀"
    form = "d=" + quote_plus(json.encode(f"3:::{text}").decode())
    assert (await post(host, sid, form, "jsonp-polling")).status == 200
    answer = await get(host, sid, transport="jsonp-polling")
    assert answer.body.isascii()
    assert b"</" not in answer.body
    packet = evaluated(answer.body)
    assert text == (packet[4:] if packet[0] == "3" else json.decode(packet[4:]))
    if is_overridden:
        session = f"the session {sid}"
        first = ["get", session, ["1::"], session, None]
        assert calls == [*first, form.encode(), session, "get", session, [packet], session, None]


async def test_a_jsonp_post_that_is_no_form_is_answered_with_403(host: RouterHost, server: Router) -> None:
    sid = await host.begin()
    assert (await post(host, sid, "3:::a", "jsonp-polling")).status == 403
    assert sid in server.engine.sessions


@pytest.mark.parametrize("index", ["alert(1)", "", "-1", "1" * 20])
async def test_what_is_no_index_is_not_repeated(host: RouterHost, index: str) -> None:
    sid = await host.begin()
    wire = await host.connect()
    answer = await wire.ask("GET", f"{PATH}/jsonp-polling/{sid}?i={index}", REFERRED)
    assert answer.status == 400
    assert b"alert" not in answer.body


# htmlfile


async def begin_page(host: RouterHost, sid: str, *fields: tuple[str, str]) -> Any:
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/htmlfile/{sid}", *fields))
    return wire, await wire.answer(bodiless=True)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("is_overridden", [False, True])
async def test_an_htmlfile_is_a_page_without_end(host: RouterHost, server: Router, is_overridden: bool) -> None:
    if is_overridden:
        server.protocols["htmlfile"] = recording(polling.TornadioHtmlFileHandler)
    sid = await host.begin()
    wire, head = await begin_page(host, sid)
    assert (head.status, head.field("content-type")) == (200, "text/html; charset=UTF-8")
    preamble = await chunk(wire)
    assert len(preamble) >= 256
    assert preamble.startswith(b"<html><body><script>function _(")
    assert await chunk(wire) == b'<script>_("1::");</script>'
    assert host.numbers == (1, 1)
    assert (await post(host, sid, "3:::</script>", "htmlfile")).status == 200
    said = await chunk(wire)
    assert said.count(b"<script") == said.count(b"</script") == 1
    server.tell("b", "c")
    assert [await chunk(wire), await chunk(wire)] == [b'<script>_("3:::b");</script>', b'<script>_("3:::c");</script>']
    server.engine.sessions[sid].close()
    assert await chunk(wire) == b""
    assert server.application.closed == [Reason.FORCED_CLOSE]
    wire.cut()
    await host.until(lambda: host.numbers[0] == 0)
    if is_overridden:
        session = f"the session {sid}"
        got = [call for call in calls if isinstance(call, list)]
        assert calls[:2] == ["get", session]
        assert got == [["1::"], ["3:::</script>"], ["3:::b", "3:::c"]]
        assert "session_closed" in calls


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("is_overridden", [False, True])
async def test_a_session_outlives_its_page(host: RouterHost, server: Router, is_overridden: bool) -> None:
    if is_overridden:
        server.protocols["htmlfile"] = recording(polling.TornadioHtmlFileHandler)
    sid = await host.begin()
    wire, _ = await begin_page(host, sid)
    await chunk(wire)
    assert await chunk(wire) == b'<script>_("1::");</script>'
    wire.cut()
    await host.until(lambda: server.engine.sessions[sid].transport.name == "none")
    server.tell("meanwhile")
    assert (await get(host, sid)).body == b"3:::meanwhile"
    await host.until(lambda: host.numbers[0] == 0)
    assert server.application.closed == []


@pytest.mark.usefixtures("quiet")
async def test_what_a_kept_page_could_not_take_comes_over_the_next_transport(host: RouterHost, server: Router) -> None:
    server.protocols["htmlfile"] = recording(polling.TornadioHtmlFileHandler)
    sid = await host.begin()
    wire, _ = await begin_page(host, sid)
    await chunk(wire)
    assert await chunk(wire) == b'<script>_("1::");</script>'
    wire.writer.transport.pause_reading()
    for number in range(19):
        server.tell(f"{number:03} " + "x" * 50_000)
        await host.until(lambda: True)
    (session,) = server.engine.sessions.values()
    assert session.outbox_bytes
    wire.cut()
    await host.until(lambda: session.transport.name == "none")
    server.tell("019 ")
    numbers = [int(found) for found in re.findall(rb"3:::(\d{3}) ", (await get(host, sid)).body)]
    assert numbers == list(range(numbers[0], 20))


# Pages of other origins


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
async def test_a_page_of_another_origin_may_read_the_answers(host: RouterHost, transport: str) -> None:
    sid = await host.begin()
    for answer in (
        await get(host, sid, ("Origin", PAGE), transport=transport),
        await post(host, sid, "d=3:::a" if transport[0] == "j" else "3:::a", transport, ("Origin", PAGE)),
        await (await host.connect()).ask("OPTIONS", f"{PATH}/{transport}/{sid}", ("Origin", PAGE)),
    ):
        assert answer.status == 200
        assert answer.field("access-control-allow-origin") == PAGE
        assert answer.field("access-control-allow-credentials") == "true"
        assert answer.field("access-control-allow-methods") == "POST, GET, OPTIONS"
        assert answer.field("vary") == "Origin"


@pytest.mark.parametrize("kind", [polling.TornadioXHRPollingHandler, polling.TornadioHtmlFileHandler])
async def test_an_origin_that_is_not_verified_may_post_nothing_and_read_nothing(
    host: RouterHost, server: Router, kind: type[polling.TornadioPollingHandlerBase]
) -> None:
    class Choosy(kind):  # type: ignore[valid-type, misc]
        def verify_origin(self) -> bool:
            return bool(self.request.headers["Origin"] != PAGE)

    server.protocols[kind.name] = Choosy
    sid = await host.begin()
    assert (await post(host, sid, "3:::a", kind.name, ("Origin", PAGE))).status == 401
    assert server.application.heard == []
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/{kind.name}/{sid}", ("Origin", PAGE)))
    answer = await wire.answer(bodiless=True)
    assert (answer.status, answer.field("access-control-allow-origin")) == (200, None)
    assert (await post(host, sid, "3:::a", kind.name, ("Origin", "http://other.example"))).status == 200
    assert server.application.heard == ["a"]


async def test_a_script_of_an_origin_that_is_not_verified_reads_and_posts_nothing(
    host: RouterHost, server: Router
) -> None:
    class Choosy(polling.TornadioJSONPHandler):
        def verify_origin(self) -> bool:
            return bool(self.request.headers["Origin"] != PAGE)

    server.protocols["jsonp-polling"] = Choosy
    sid = await host.begin()
    wire = await host.connect()
    where, page = f"{PATH}/jsonp-polling/{sid}?i=0", ("Referer", f"{PAGE}/")
    assert (await wire.ask("GET", where, page)).status == 401
    assert (await wire.ask("POST", where, page, body=b'd="3:::a"')).status == 401
    assert server.application.heard == []
    assert (await wire.ask("GET", where, REFERRED)).body == b'/**/io.j[0]("1::");'
    assert (await wire.ask("POST", where, ("Referer", "http://other.example/"), body=b'd="3:::a"')).status == 200
    assert server.application.heard == ["a"]


async def test_a_form_may_come_in_chunks(host: RouterHost, server: Router) -> None:
    sid = await host.begin()
    wire = await host.connect()
    fields = REFERRED, ("Transfer-Encoding", "chunked")
    head = request("GET", f"{PATH}/jsonp-polling/{sid}?i=0", *fields).replace(b"GET", b"POST", 1)
    wire.send(head + b'2\r\nd=\r\n7\r\n"3:::a"\r\n0\r\n\r\n')
    assert (await wire.answer()).status == 200
    assert server.application.heard == ["a"]


async def test_two_neighbours_have_their_own(host: RouterHost, server: Router) -> None:
    first = await host.begin()
    second = await visit(await host.connect())
    server.engine.sessions[first].close()
    assert (await post(host, second, "3:::a")).status == 200
    assert (await get(host, second)).body.decode() == "\ufffd3\ufffd1::\ufffd5\ufffd3:::a"


# Classes that fail


def failing(*_: Any, **__: Any) -> None:
    raise LookupError("this class fails")


async def failing_later(*_: Any, **__: Any) -> None:
    await asyncio.sleep(0)
    failing()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = (one for one in caplog.records if one.levelno >= logging.ERROR and one.name != "tornado.access")
    return [repr(one.exc_info and one.exc_info[1]) for one in records]


@pytest.mark.parametrize("name", ["answer", "answer, later", "send_messages", "finish", "write"])
@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
async def test_a_get_whose_class_fails_is_over_and_nobody_elses(
    host: RouterHost, server: Router, name: str, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    plain, method, doomed = server.protocols[transport], name.partition(",")[0], set[str]()

    def fail_for_some(self: Any, *args: Any) -> Any:
        if self.path_kwargs["session_id"] in doomed:
            return failing_later() if "later" in name else failing()
        return getattr(plain, method)(self, *args)

    server.protocols[transport] = type("Failing", (plain,), {method: fail_for_some})
    sid = await host.begin()
    neighbour = await visit(await host.connect())
    wires = []
    for one in (sid, neighbour):
        await get(host, one, transport=transport)
        wires.append(await host.connect())
        wires[-1].send(request("GET", f"{PATH}/{transport}/{one}?i=0", REFERRED))
    await host.until(lambda: is_parked(server, sid) and is_parked(server, neighbour))
    doomed.add(sid)
    for session in server.engine.sessions.values():
        session.push(Prepared(b"3:::x"))
    assert b"3:::x" in (await wires[1].answer()).body
    if name == "finish":
        assert await wires[0].rest() == b""
    else:
        assert (await wires[0].answer()).status == 500
    await host.until(lambda: host.numbers[0] == 0)
    assert errors(caplog).count(repr(LookupError("this class fails"))) == (2 if name == "write" else 1)  # and its error
    doomed.clear()
    server.engine.sessions[sid].push(Prepared(b"3:::y"))
    body = (await get(host, sid, transport=transport)).body
    assert 0 < body.index(b"3:::x") < body.index(b"3:::y")  # nothing is lost
    assert server.application.closed == []


@pytest.mark.parametrize("name", ["_detach", "on_connection_close"])
@pytest.mark.parametrize("kind", [polling.TornadioXHRPollingHandler, polling.TornadioHtmlFileHandler])
async def test_a_client_that_has_gone_is_gone_although_a_class_fails(
    host: RouterHost, server: Router, kind: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.protocols[kind.name] = type("Failing", (kind,), {name: failing})
    sid = await host.begin()
    wire = await host.connect()
    wire.send(request("GET", f"{PATH}/{kind.name}/{sid}"))
    await wire.answer(bodiless=kind.name == "htmlfile")
    if kind.name == "xhr-polling":
        wire.send(request("GET", f"{PATH}/xhr-polling/{sid}"))
        await host.until(lambda: is_parked(server, sid))
    wire.cut()
    await host.until(lambda: host.numbers[0] == 0)
    session = server.engine.sessions[sid]
    assert session.transport.name == "none" or not is_parked(server, sid)
    server.tell("a")
    server.protocols.clear()
    is_answered = kind.name == "xhr-polling" and name == "_detach"  # and then, too
    assert errors(caplog) == [repr(LookupError("this class fails"))] * (1 + is_answered)
    assert session.outbox_bytes


@pytest.mark.parametrize("method", [failing, failing_later])
async def test_a_handshake_whose_class_fails_leaves_no_session(host: RouterHost, server: Router, method: Any) -> None:
    server.handshake = type("Failing", (server.handshake,), {"answer": method})
    await host.serve(server.engine)
    for target in (f"{PATH}/?t=1", "/socket.io/?EIO=4&transport=polling"):
        assert (await (await host.connect()).ask("GET", target)).status == 500
    await host.until(lambda: server.engine.sessions == {})
    assert server.application.closed == [Reason.TRANSPORT_CLOSE] * 2
    assert host.numbers[0] == 0
