"""Bodies that do not come, as every host treats them that reads requests by itself."""

import pytest

from hosts.client import target
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.suite.polling import chunked, head
from waterspout import Reason
from waterspout.hosts import intake

AT_ONCE = 0.001  # s: the deadlines of tests that wait for them


class Bodies:
    """The tests of one host; it has a fixture `host`."""

    @pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
    async def test_half_a_body_ends_the_connection_and_the_session(
        self, host: Host, monkeypatch: pytest.MonkeyPatch, framing: str
    ) -> None:
        monkeypatch.setattr(intake, "BODY_TIMEOUT", AT_ONCE)
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        where = session.target()
        posted = chunked(where, b'42["ec') if framing == "chunked" else head(where, ("Content-Length", "9")) + b'42["ec'
        session.posting.send(posted)
        assert await session.posting.rest() == b""
        assert echo.left == [Reason.TRANSPORT_ERROR]
        assert echo.is_empty

    async def test_half_a_body_of_a_refused_request_ends_the_connection(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(intake, "REFUSED_BODY_TIMEOUT", AT_ONCE)
        await host.serve(Echo().server)
        wire = await host.connect()
        wire.send(head(target("polling", "unknown"), ("Content-Length", "9")) + b"half")
        assert await wire.rest() == b""

    @pytest.mark.parametrize("eio", [3, 4])
    async def test_a_post_whose_session_ends_before_its_body_is_refused_and_closed(self, host: Host, eio: int) -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session(eio=eio)
        session.posting.send(head(session.target(), ("Content-Length", "100")) + b'42["ec')
        await host.until(lambda: echo.is_posting(session.sid))
        echo.server.disconnect(close=True)
        assert (await session.get(), await session.get()) == (("2:41", "1:1") if eio == 3 else ("41", "1"))
        answer = await session.posting.answer()
        assert (answer.status, b"the session has ended before the body came" in answer.body) == (400, True)
        assert await session.posting.rest() == b""
        assert echo.is_empty
