"""Long-polling: GET, POST and OPTIONS over real connections."""

import gzip
from base64 import b64encode

import pytest

from hosts.client import Wire, request, target, text
from hosts.host import Host
from hosts.suite.echo import Echo
from waterspout import Reason

LIMIT = 1000
NEIGHBOURS_ECHO = text('420["echo","still here"]')


def sized(length: int) -> str:
    """Write an event whose packet has so many bytes."""
    return f'42["echo","{"x" * (length - 13)}"]'


@pytest.mark.usefixtures("quiet")
class Polling:
    """A host's tests of long-polling."""

    async def test_a_client_may_do_all_on_one_connection(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        session.posting = session.polling
        assert (await session.post('420["echo","hi"]')).body == b"ok"
        assert await session.get() == '430["hi"]'

    @pytest.mark.parametrize(
        ("eio", "body", "back"),
        [
            (4, '420["echo","h\u00e9 \U0001f600"]', '430["h\u00e9 \U0001f600"]'),
            (3, '19:420["echo","h\u00e9 \U0001f600"]', '27:430["h\\u00e9 \\ud83d\\ude00"]'),
        ],
    )
    async def test_a_parked_poll_is_answered_when_there_is_something(
        self, host: Host, eio: int, body: str, back: str
    ) -> None:
        await host.serve(Echo().server)
        session = await host.session(eio=eio)
        session.poll()
        assert (await session.post(body)).body == b"ok"
        assert await session.polled() == back

    async def test_answers_are_not_to_be_stored(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        answer = await wire.ask("GET", target("polling"))
        assert (answer.status, answer.field("cache-control")) == (200, "no-store")
        assert answer.field("content-type") == "text/plain; charset=UTF-8"
        assert answer.field("etag") is None

    # Bodies

    async def test_a_body_of_bytes_is_read_from_clients_of_engineio_3(self, host: Host) -> None:
        await host.serve(Echo().server)
        session = await host.session(eio=3)
        packet = b'451-0["echo",{"_placeholder":true,"num":0}]'
        body = b"\0\4\3\xff" + packet + b"\1\3\xff\4\0\xff"
        octets = ("Content-Type", "application/octet-stream")
        assert (await session.posting.ask("POST", session.target(), octets, body=body)).body == b"ok"
        answer = await session.polling.ask("GET", session.target())
        assert answer.field("content-type") == "application/octet-stream"
        assert answer.body == b'\0\3\6\xff461-0[{"_placeholder":true,"num":0}]\1\3\xff\4\0\xff'

    async def test_bytes_are_base64_for_clients_of_engineio_4(self, host: Host) -> None:
        await host.serve(Echo().server)
        session = await host.session()
        content = b64encode(b"\0\xff").decode()
        body = f'451-0["echo",{{"_placeholder":true,"num":0}}]\x1eb{content}'
        assert (await session.post(body)).body == b"ok"
        assert await session.get() == f'461-0[{{"_placeholder":true,"num":0}}]\x1eb{content}'

    async def test_a_body_of_bytes_from_engineio_4_is_answered_each_time(self, host: Host) -> None:
        """CVE-2026-59725: it was never answered, so that connections piled up."""
        echo = Echo()
        await host.serve(echo.server)
        octets = ("Content-Type", "application/octet-stream")
        for _ in range(20):
            session = await host.session()
            answer = await session.posting.ask("POST", session.target(), octets, body=b"\0\1\xff4")
            assert answer.status == 400
            assert b"no binary payload" in answer.body
        assert echo.is_empty
        assert echo.left == [Reason.PARSE_ERROR] * 20

    @pytest.mark.parametrize("length", [LIMIT, LIMIT + 1])
    @pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
    async def test_a_body_above_the_limit_is_refused_and_the_session_knows_nothing_of_it(
        self, host: Host, framing: str, length: int
    ) -> None:
        echo = Echo(max_payload_bytes=LIMIT)
        await host.serve(echo.server)
        session = await host.session()
        body = sized(length).encode()
        if framing == "chunked":
            session.posting.send(chunked(session.target(), body[:600], body[600:], b""))
        else:
            session.posting.send(request("POST", session.target(), body=body))
        answer = await session.posting.answer()
        assert answer.status == (200 if length == LIMIT else 413)
        assert (await session.post('420["echo",7]')).body == b"ok"
        packets = (await session.get()).split("\x1e")
        assert packets[-1] == "430[7]"
        assert len(echo.heard) == (2 if length == LIMIT else 1)

    async def test_a_body_far_above_the_limit_is_refused_before_it_comes(self, host: Host) -> None:
        echo = Echo(max_payload_bytes=LIMIT)
        await host.serve(echo.server)
        session = await host.session()
        session.posting.send(head(session.target(), ("Content-Length", str(4 * LIMIT + 1))))
        assert (await session.posting.answer()).status == 413
        assert await session.posting.rest() == b""
        assert await session_lives(host, session.polling, session.target())

    async def test_a_body_without_end_is_refused_after_a_while(self, host: Host) -> None:
        echo = Echo(max_payload_bytes=LIMIT)
        await host.serve(echo.server)
        session = await host.session()
        session.posting.send(chunked(session.target(), *[b"4" * LIMIT] * 5))
        assert (await session.posting.answer()).status == 413
        assert await session.posting.rest() == b""
        assert await session_lives(host, session.polling, session.target())

    async def test_what_is_longer_than_it_said_is_cut_where_it_said(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        session.posting.send(head(session.target(), ("Content-Length", "13")) + b'42["echo","a"]42["echo","b"]')
        answer = await session.posting.answer()
        assert answer.status == 400
        assert echo.heard == []

    @pytest.mark.parametrize("length", ["7, 7", "7,7"])
    async def test_a_length_that_a_proxy_has_repeated_is_one_length(self, host: Host, length: str) -> None:
        await host.serve(Echo().server)
        session = await host.session()
        session.posting.send(head(session.target(), ("Content-Length", length)) + b'42["a"]')
        assert (await session.posting.answer()).body == b"ok"

    @pytest.mark.parametrize("length", ["7, 8", "", "x", "-1", "+7", "7_0", "0x7", "\u0667", "9" * 5000, "1e3"])
    async def test_what_is_no_length_is_refused(self, host: Host, length: str) -> None:
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await host.websocket()
        session = await host.session()
        line = b"Content-Length: " + length.encode() + b"\r\n\r\n"
        session.posting.send(head(session.target())[:-2] + line + b'42["a"]')
        answer = await session.posting.answer()
        assert answer.status in (400, 413)
        assert await session.posting.rest() == b""
        neighbour.send(NEIGHBOURS_ECHO)
        assert await neighbour.text() == '430["still here"]'

    async def test_a_body_with_two_lengths_is_refused(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        both = ("Transfer-Encoding", "chunked"), ("Content-Length", "7")
        session.posting.send(head(session.target(), *both) + b'7\r\n42["a"]\r\n0\r\n\r\n')
        assert (await session.posting.answer()).status == 400
        assert await session.posting.rest() == b""

    # Requests that are given up

    async def test_a_poll_that_is_given_up_ends_the_session(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        session.polling.abort()
        await host.until(lambda: echo.left)
        assert echo.left == [Reason.TRANSPORT_ERROR]
        assert echo.is_empty

    async def test_a_post_that_is_given_up_ends_the_session_and_its_poll_is_answered(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        session.posting.send(head(session.target(), ("Content-Length", "100")) + b'42["echo",1]')
        session.posting.end()
        assert await session.polled() == "1"
        assert echo.is_empty
        assert echo.left == [Reason.TRANSPORT_ERROR]

    async def test_a_handshake_that_is_given_up_leaves_nothing(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        wire.send(request("GET", target("polling"), ("Content-Length", "5")))
        wire.end()
        await wire.rest()
        assert echo.is_empty

    # Two at once

    # What HTTP allows, and few clients do

    async def test_a_target_in_absolute_form_is_served(self, host: Host) -> None:
        """RFC 9112, section 3.2.2; its host counts, whatever Host says."""
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        wire, own = await host.connect(), ("Origin", "http://here.example")
        if not host.server_tls:
            assert (await wire.ask("GET", f"http://here.example{target('polling')}", own)).status == 200
            assert (await wire.ask("GET", target("polling"), own)).status == 403
        there = f"HTTP://here.example:8000{target('polling', session.sid)}"
        assert (await wire.ask("POST", there, body=b'420["echo","hi"]')).body == b"ok"
        assert await session.get() == '430["hi"]'
        answer = await wire.ask("GET", "http://here.example/socket.io/1/?t=1")
        assert (answer.status, answer.body.count(b":")) == (200, 3)

    @pytest.mark.parametrize("expectation", ["100-continue", "100-Continue", "100-CONTINUE"])
    async def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(self, host: Host, expectation: str) -> None:
        """RFC 9110, section 10.1.1: in any case."""
        await host.serve(Echo().server)
        session = await host.session()
        wire, body = await host.connect(), b'420["echo","hi"]'
        asked = request("POST", target("polling", session.sid), ("Expect", expectation), body=body)
        wire.send(asked.removesuffix(body))
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        wire.send(body)
        assert (await wire.answer()).body == b"ok"
        assert await session.get() == '430["hi"]'

    @pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
    async def test_a_body_in_a_coding_is_refused_and_the_session_goes_on(self, host: Host, coding: str) -> None:
        """RFC 9110, section 15.5.16."""
        await host.serve(Echo().server)
        session = await host.session()
        wire = await host.connect()
        there = target("polling", session.sid)
        answer = await wire.ask("POST", there, ("Content-Encoding", coding), body=gzip.compress(b'420["echo","no"]'))
        assert (answer.status, answer.field("accept-encoding")) == (415, "identity")
        assert f"the Content-Encoding is '{coding}'".encode() in answer.body
        assert (await wire.ask("POST", there, body=b'421["echo","hi"]')).body == b"ok"
        assert await session.get() == '431["hi"]'

    async def test_of_two_polls_the_older_is_closed_and_the_newer_refused(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        assert (await session.posting.ask("GET", session.target())).status == 400
        assert await session.polled() == "1"
        assert echo.is_empty

    async def test_of_two_posts_the_later_is_refused_and_nothing_is_left_waiting(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        session.posting.send(head(session.target(), ("Content-Length", "13")) + b'42["ec')
        other = await host.connect()
        await host.until(lambda: echo.is_posting(session.sid))
        assert (await other.ask("POST", session.target(), body=b'42["echo",2]')).status == 400
        assert await session.polled() == "1"
        session.posting.send(b'ho",12]')
        assert (await session.posting.answer()).status in (200, 400)
        assert echo.heard == []
        assert echo.is_empty

    # Requests of other kinds

    @pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "POST"])
    async def test_a_session_begins_with_get(self, host: Host, method: str) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        answer = await wire.ask(method, target("polling"))
        assert answer.status == 400
        assert method == "HEAD" or b'"message":"Bad handshake method"' in answer.body
        assert echo.is_empty

    @pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH"])
    async def test_a_session_takes_get_and_post_only(self, host: Host, method: str) -> None:
        await host.serve(Echo().server)
        session = await host.session()
        assert (await session.posting.ask(method, session.target())).status == 400
        assert await session_lives(host, session.polling, session.target())

    async def test_http_1_0_is_served_and_the_connection_ends(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        wire.send(request("GET", target("polling"), version="1.0"))
        answer = await wire.answer()
        assert (answer.status, answer.body[:8]) == (200, b'0{"sid":')
        assert await wire.rest() == b""

    async def test_an_upgrade_that_polling_was_not_asked_for_is_ignored(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        answer = await wire.ask("GET", target("polling"), ("Connection", "Upgrade"), ("Upgrade", "websocket"))
        assert (answer.status, answer.body[:8]) == (200, b'0{"sid":')

    @pytest.mark.parametrize("name", ["", "__class__", "close", "name", "POLLING", "polling\u0000", "p" * 60_000])
    async def test_an_unknown_transport_is_refused(self, host: Host, name: str) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        answer = await wire.ask("GET", target(name.replace("\0", "%00")))
        assert answer.status == 400
        assert b'"message":"Transport unknown"' in answer.body
        assert len(answer.body) < 500

    async def test_a_query_of_thousands_of_parameters_is_refused(self, host: Host) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        assert (await wire.ask("GET", target("polling", more="&a" * 5000))).status == 400

    @pytest.mark.parametrize("more", ["&sid=", "&EIO=4", "&transport=polling", "&sid=a&sid=b", "&\xff=%ff", "&;;&&=&"])
    async def test_an_odd_query_gets_an_answer(self, host: Host, more: str) -> None:
        await host.serve(Echo().server)
        wire = await host.connect()
        assert (await wire.ask("GET", target("polling", more=more))).status in (200, 400)

    # Origins and cookies

    async def test_another_origin_is_refused_by_default(self, host: Host) -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        for method in ("GET", "POST", "OPTIONS"):
            answer = await wire.ask(method, target("polling"), ("Origin", "http://evil.example"))
            assert answer.status == 403
            assert answer.field("access-control-allow-origin") is None
        assert echo.is_empty

    async def test_an_origin_that_is_listed_may_read_the_answers(self, host: Host) -> None:
        await host.serve(Echo(cors_origins=["http://good.example"], cors_credentials=True).server)
        wire = await host.connect()
        answer = await wire.ask("GET", target("polling"), ("Origin", "http://good.example"))
        assert answer.status == 200
        assert answer.field("access-control-allow-origin") == "http://good.example"
        assert answer.field("access-control-allow-credentials") == "true"
        assert answer.field("vary") == "Origin"

    async def test_a_refusal_can_be_read_by_an_allowed_origin(self, host: Host) -> None:
        await host.serve(Echo(cors_origins="*").server)
        wire = await host.connect()
        answer = await wire.ask("GET", target("polling", "unknown"), ("Origin", "http://any.example"))
        assert (answer.status, answer.field("access-control-allow-origin")) == (400, "*")

    async def test_a_preflight_is_answered(self, host: Host) -> None:
        await host.serve(Echo(cors_origins="*").server)
        wire = await host.connect()
        asked = ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-one, x-two")
        answer = await wire.ask("OPTIONS", target("polling"), ("Origin", "http://any.example"), *asked)
        assert answer.status == 204
        assert answer.field("access-control-allow-origin") == "*"
        assert answer.field("access-control-allow-methods") == "GET, POST, OPTIONS"
        assert answer.field("access-control-allow-headers") == "x-one, x-two"
        assert answer.field("content-type") is None
        assert (await wire.ask("GET", target("polling"))).status == 200

    async def test_the_cookie_is_set_with_the_handshake_only(self, host: Host) -> None:
        await host.serve(Echo(cookie="io").server)
        session = await host.session()
        wire = await host.connect()
        answer = await wire.ask("GET", target("polling"))
        sid = answer.body.decode().split('"')[3]
        assert answer.field("set-cookie") == f"io={sid}; Path=/; HttpOnly; SameSite=Lax"
        assert (await session.post('42["quiet"]')).field("set-cookie") is None


def head(target: str, *fields: tuple[str, str]) -> bytes:
    """Write the head of a POST without what says how long it is."""
    return request("POST", target, *fields).replace(b"Content-Length: 0\r\n", b"")


def chunked(target: str, *chunks: bytes) -> bytes:
    """Write a POST in chunks; the last one is empty if it is to end."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head(target, ("Transfer-Encoding", "chunked")) + body


async def session_lives(host: Host, polling: Wire, target: str) -> bool:
    """Whether an event is echoed, over connections of its own where it must be."""
    posting = await host.connect()
    assert (await posting.ask("POST", target, body=b'420["echo",7]')).body == b"ok"
    return (await polling.ask("GET", target)).body == b"430[7]"
