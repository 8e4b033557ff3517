"""What an application of gevent-socketio does wrong ends no more than it must, and leaves no jobs behind."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from faces.gevent_socketio.test_namespace import Server, connected, sent
from waterspout.faces.gevent_socketio import namespace, socketio_manage
from waterspout.faces.gevent_socketio.namespace import BaseNamespace

ECHO = '5:1+::{"name":"echo","args":["still here"]}'
ANSWER = {"type": "ack", "ackId": 1, "args": ["still here"], "endpoint": ""}


class Main(BaseNamespace):
    """Has a job. `session["calls"]` has what was called."""

    def initialize(self) -> None:
        self.job = self.spawn(gevent.sleep, 1000)

    def called(self, name: str) -> None:
        self.session.setdefault("calls", []).append(f"{name} {self.ns_name}".strip())

    def on_echo(self, value: Any) -> Any:
        return value

    def recv_connect(self) -> None:
        self.called("connect")

    def recv_disconnect(self) -> None:
        self.called("disconnect")


class Visit:
    """A client, and its view."""

    def __init__(self, *texts: str, json_loads: Callable[[str], Any] | None = None, **kinds: type[Main]) -> None:
        namespaces: dict[str, Any] = {"": Main, "/b": Main, **{f"/{name}": kind for name, kind in kinds.items()}}
        self._server = Server()
        self.client = connected(self._server)
        self.manage = lambda: socketio_manage({"socketio": self.client}, namespaces, json_loads=json_loads)
        self.view = gevent.spawn(self.manage)
        self.says(*texts)

    def says(self, *packets: Any) -> list[dict[str, Any]]:
        """Return what the client is sent."""
        for packet in packets:
            self.client.put_server_msg(packet)
        for _ in range(20):  # turns of the hub; each namespace that is left takes some
            gevent.sleep(0)
        return sent(self.client)

    @property
    def jobs(self) -> list[Any]:
        return [namespace.job for namespace in self.client.active_ns.values()]

    @property
    def calls(self) -> list[str]:
        found: list[str] = self.client.session.get("calls", [])
        return found

    def ends(self, how: Callable[[], object] | None = None) -> None:
        (how or self.client.end)()
        self.view.join(timeout=10)
        assert self.view.dead
        assert self.client.active_ns == {}


def test_an_expired_timeout_is_a_failure_as_others_are() -> None:
    class Slow(Main):
        def on_slow(self) -> None:
            raise gevent.Timeout(5)

    visit = Visit(a=Slow)
    (told,) = visit.says('5::/a:{"name":"slow"}')
    assert told["args"] == ["internal_error", "The server has failed: Timeout"]
    assert visit.says(ECHO) == [ANSWER]
    visit.ends()


def test_whatever_a_namespace_raises_at_its_end_the_others_end_too() -> None:
    class Failing(Main):
        def recv_disconnect(self) -> None:
            raise gevent.Timeout(5)

        def disconnect(self, silent: bool = False) -> None:
            raise gevent.Timeout(5)

    visit = Visit("1::/a", "1::/b", a=Failing)
    jobs = visit.jobs
    visit.ends()
    assert [job.dead for job in jobs] == [True, True]
    assert visit.calls == ["connect /a", "connect /b", "disconnect /b"]


def test_a_job_that_does_not_end_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "_END_OF_JOBS", 0.01)  # s
    released = Event()

    class Stubborn(Main):
        def on_go(self) -> None:
            self.job = self.spawn(self.work)

        def work(self) -> None:
            try:
                gevent.sleep(1000)
            finally:
                released.wait()

    visit = Visit("1::/a", "1::/b", '5::/a:{"name":"go"}', a=Stubborn)
    stubborn, other = visit.jobs
    visit.ends()
    assert (stubborn.dead, other.dead) == (False, True)
    released.set()
    stubborn.join(timeout=10)


@pytest.mark.parametrize("end", ["disconnect", "kill"])
def test_a_namespace_may_end_the_connection_as_it_is_left(end: str) -> None:
    class Last(Main):
        def recv_disconnect(self) -> None:
            self.called("disconnect")
            getattr(self.socket, end)()

        def disconnect(self, silent: bool = False) -> None:
            getattr(self.socket, end)()
            super().disconnect(silent)

    visit = Visit("1::/a", "1::/b", a=Last)
    jobs = visit.jobs
    visit.says("0::/a")
    assert visit.client.active_ns == {}
    assert [job.dead for job in jobs] == [True, True]
    assert visit.calls == ["connect /a", "connect /b", "disconnect /a", "disconnect /b"]
    visit.ends()


def test_a_client_that_goes_while_it_leaves_a_namespace_leaves_it_once() -> None:
    class Slow(Main):
        def recv_disconnect(self) -> None:
            super().recv_disconnect()
            gevent.sleep(1000)

    visit = Visit("1::/a", a=Slow)
    jobs = visit.jobs
    visit.says("0::/a")
    assert visit.client._receiver.is_busy
    with gevent.Timeout(10):
        visit.client.kill(detach=True)
    gevent.kill(visit.view)
    visit.ends()
    assert (visit.calls, jobs[0].dead) == (["connect /a", "disconnect /a"], True)


@pytest.mark.parametrize("end", ["self.disconnect", "self.socket.kill"])
def test_a_namespace_that_refuses_its_client_in_initialize_is_given_nothing(end: str) -> None:
    jobs = []

    class Closed(Main):
        def initialize(self) -> None:
            jobs.append(self.spawn(gevent.sleep, 1000))
            {"self.disconnect": self.disconnect, "self.socket.kill": self.socket.kill}[end]()

        def on_secret(self) -> None:
            self.called("secret")

    visit = Visit(ECHO, "1::/a", '5::/a:{"name":"secret"}', a=Closed)
    assert not {"connect /a", "secret /a"} & set(visit.calls)
    assert "/a" not in visit.client
    assert {job.dead for job in jobs} == {True}
    assert visit.client.connected is (end == "self.disconnect")
    visit.ends()


def test_an_initialize_that_fails_leaves_no_job() -> None:
    jobs = []

    class Failing(Main):
        def initialize(self) -> None:
            jobs.append(self.spawn(gevent.sleep, 1000))
            raise ValueError("as it should")

    visit = Visit(a=Failing)
    assert len(visit.says("1::/a", "1::/a", "1::/a")) == 3
    assert [job.dead for job in jobs] == [True] * 3
    assert visit.says(ECHO) == [ANSWER]
    visit.ends()


def test_a_job_may_end_its_client_though_that_ends_the_job() -> None:
    class Leaving(Main):
        def on_go(self) -> None:
            self.job = self.spawn(self.socket.kill)

    class Slow(Main):
        def recv_disconnect(self) -> None:
            gevent.sleep(0)
            super().recv_disconnect()

    visit = Visit("1::/a", "1::/b", a=Leaving, b=Slow)
    jobs = visit.jobs
    visit.ends(lambda: visit.says('5::/a:{"name":"go"}'))
    assert [job.dead for job in jobs] == [True, True]


def test_a_second_call_of_socketio_manage_takes_nothing_from_the_first() -> None:
    visit = Visit("1::/b")
    with gevent.Timeout(10), pytest.raises(RuntimeError, match="call socketio_manage once for each socket"):
        visit.manage()
    assert visit.says(ECHO) == [ANSWER]
    visit.ends()
    with gevent.Timeout(10):
        assert visit.manage() == b""  # by a middleware that tries again


def test_packets_that_the_application_s_decoder_refuses_are_told_as_others() -> None:
    def loads(text: str) -> Any:
        raise TypeError("as it should")

    visit = Visit(json_loads=loads)
    for packet in (ECHO, {"type": "event", "name": "echo", "args": [1], "endpoint": ""}):
        (told,) = visit.says(packet)
        assert told["args"][0] == "invalid_packet"
    visit.ends()


def test_recv_disconnect_gets_the_packet_as_other_methods_do_also_when_the_client_goes() -> None:
    class Curious(Main):
        def recv_disconnect(self, packet: dict[str, Any]) -> None:  # type: ignore[override]
            self.called(packet["type"])

    visit = Visit("1::/a", a=Curious)
    visit.ends()
    assert visit.calls == ["connect /a", "disconnect /a"]
