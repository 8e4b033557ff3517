"""Connections that change their owner at the boundary of a request."""

import asyncio
import socket
import ssl
from contextlib import suppress

import pytest
from tornado.web import RequestHandler

from hosts.certificate import Certificate
from hosts.client import HANDSHAKE, text
from hosts.handloop import HandLoop, Keeper
from hosts.test_link import Wire
from hosts.test_socketlink import PATIENCE, secured, tcp_pair
from waterspout import Request, Server
from waterspout.drivers import InlineDriver
from waterspout.engine import Open, Traffic
from waterspout.hosts.adopting import Adopted, begin
from waterspout.hosts.output import Output
from waterspout.hosts.residence import Residence
from waterspout.hosts.web import LimitedApplication, Web
from waterspout.testing import admit


def test_a_link_reads_first_what_was_read_before() -> None:
    ours, theirs = tcp_pair()
    ours.setblocking(False)
    loop, keeper = HandLoop(), Keeper()
    adopted = Adopted(ours, b"ahead")
    link = adopted.link(Output(loop, Traffic()))
    link.start(keeper, adopted.ahead)
    theirs.send(b"hello")
    loop.turn(PATIENCE)
    assert keeper.received == [b"ahead", b"hello"]
    assert ours.fileno() == -1  # the link owns it
    link.close()
    theirs.close()


def test_a_connection_goes_to_another_process_by_its_descriptor() -> None:
    """Both ends of the channel are here; what goes through it is all that the other process gets."""
    ours, theirs = tcp_pair()
    channel, other = socket.socketpair()
    with channel, other, theirs:
        given = Adopted(ours, b"ahead")
        socket.send_fds(channel, [given.ahead], [given.socket.fileno()])
        given.socket.close()
        ahead, descriptors, _, _ = socket.recv_fds(other, 1000, 1)
        taken = Adopted(socket.socket(fileno=descriptors[0]), ahead)
        taken.socket.setblocking(False)
        loop, keeper = HandLoop(), Keeper()
        link = taken.link(Output(loop, Traffic()))
        link.start(keeper, taken.ahead)
        link.write(b"hello")
        theirs.send(b"you")
        loop.turn(PATIENCE)
        assert (keeper.received, theirs.recv(100)) == ([b"ahead", b"you"], b"hello")
        link.close()


@pytest.mark.parametrize("eio", [3, 4])
def test_a_handshake_is_answered_over_any_link_and_the_engine_gets_what_came_behind(eio: int) -> None:
    server, loop = Server(), HandLoop()
    residence = Residence.of(server.engine)
    residence.bind(loop, InlineDriver(), loop)
    request = Request("GET", f"/socket.io/?EIO={eio}&transport=websocket", HANDSHAKE)
    decision = admit(server.engine, request)
    assert isinstance(decision, Open)
    assert decision.greeting is not None
    transport = Wire(residence.output)
    begin(transport.link, residence, request, decision, decision.greeting, text("40" if eio == 4 else "2"))
    loop.turn()
    assert transport.writes[0].startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    loop.advance(decision.greeting.pause)
    assert len(server.sockets()) == 1
    transport.link.connection_lost(None)
    assert server.sockets() == []


class Page(RequestHandler):
    def post(self) -> None:
        self.write(self.request.body[::-1])


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("ahead", [0, 10, 60, 1000])
def test_a_listener_serves_a_request_of_which_some_was_read_before(
    certificate: Certificate, secure: bool, ahead: int
) -> None:
    sent = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" * 2
    ours, theirs = tcp_pair()
    if secure:
        ours, theirs = secured(certificate, ours, theirs, lambda: None)
    for end in (ours, theirs):
        end.setblocking(False)

    async def serve() -> bytes:
        web = Web(LimitedApplication([("/", Page)], max_header_lines=100), [], max_body_bytes=100)
        web.adopt(Adopted(ours, sent[:ahead]), ("127.0.0.1", 1))
        if sent[ahead:]:
            theirs.send(sent[ahead:])
        answers = b""
        async with asyncio.timeout(PATIENCE):
            while answers.count(b"olleh") < 2:
                with suppress(BlockingIOError, ssl.SSLWantReadError):
                    answers += theirs.recv(1 << 16)
                await asyncio.sleep(0)
        await web.close()
        return answers

    answers = asyncio.run(serve())
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    theirs.close()
