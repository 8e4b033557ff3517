"""Two processes behind a proxy, which leads each session to its own: by address, or by a cookie."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.backends import Backend, waterspout
from deploy.proxies import Front, proxied
from deploy.reports import CLIENTS, Report, talk
from deploy.visitor import Polling, Visitor

only_by_cookie = pytest.mark.parametrize("front", ["by_cookie"], indirect=True, scope="module")
only_by_address = pytest.mark.parametrize("front", ["by_address"], indirect=True, scope="module")
ADDRESSES = [f"127.0.1.{number}" for number in range(1, 21)]


@pytest.fixture(scope="module")
def backends(folder: Path) -> Iterator[list[Backend]]:
    with ExitStack() as stack:
        yield [stack.enter_context(waterspout(folder, number).running()) for number in (1, 2)]


@pytest.fixture(scope="module", params=["by_address", "by_cookie"])
def front(request: pytest.FixtureRequest, kind: str, folder: Path, backends: list[Backend]) -> Iterator[Front]:
    with proxied(kind, [backend.address for backend in backends], folder, backend=request.param) as front:
        yield front


@pytest.fixture(scope="module")
def report(node: str, front: Front) -> Report:
    return talk(node, front)


def process(session: Polling) -> int:
    number: int = session.call("who")["process"]
    return number


@pytest.mark.parametrize(("generation", "transport"), CLIENTS)
def test_a_client_keeps_its_session(report: Report, generation: str, transport: str) -> None:
    error = report[generation, transport]["error"]
    if error is not None:
        pytest.fail(error, pytrace=False)


@pytest.mark.parametrize("keeps_cookies", [True, False])
def test_sessions_stay_with_their_process_and_all_processes_have_some(
    front: Front, backends: list[Backend], keeps_cookies: bool
) -> None:
    homes = set()
    for address in ADDRESSES:
        with Visitor(front, address=address, keeps_cookies=keeps_cookies) as visitor:
            session = Polling(visitor)
            (home,) = {process(session) for _ in range(3)}
            homes.add(home)
    assert homes == {backend.pid for backend in backends}


@only_by_cookie
def test_a_browser_keeps_its_process_when_its_address_changes(front: Front) -> None:
    with Visitor(front) as visitor:
        session = Polling(visitor)
        home = process(session)
        for address in ADDRESSES:
            visitor.move(address)
            assert process(session) == home


@only_by_cookie
def test_the_cookie_is_given_once_and_no_script_reads_it(front: Front) -> None:
    with Visitor(front) as visitor:
        ((cookie,), again) = (cookies_of(visitor), cookies_of(visitor))
    assert again == []
    assert cookie.startswith("waterspout=")
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


@only_by_address
def test_nobody_is_given_a_cookie_where_addresses_tell(front: Front) -> None:
    with Visitor(front) as visitor:
        assert cookies_of(visitor) == []


def cookies_of(visitor: Visitor) -> list[str]:
    visitor.ask("GET", "/socket.io/?EIO=4&transport=polling")
    response = visitor.begun()
    response.read()
    return response.headers.get_all("Set-Cookie", [])


def test_clients_of_a_process_that_is_gone_begin_anew_at_the_other(front: Front, backends: list[Backend]) -> None:
    with Visitor(front) as visitor:
        session = Polling(visitor)
        home = process(session)
        (gone,) = (backend for backend in backends if backend.pid == home)
        with gone.paused():
            status, body = visitor.get(session.target)
            assert (status, b"Session ID unknown" in body) == (400, True)
            again = Polling(visitor)
            (other,) = {process(again) for _ in range(3)}
        assert other in {backend.pid for backend in backends} - {home}
    with Visitor(front) as visitor:  # nobody holds it against the new one that the old one was gone
        assert process(Polling(visitor)) == gone.pid


@only_by_cookie
@pytest.mark.parametrize("kind", ["haproxy"], indirect=True, scope="module")
def test_a_process_that_drains_keeps_its_sessions_and_gets_no_others(front: Front, backends: list[Backend]) -> None:
    with Visitor(front) as visitor:
        session = Polling(visitor)
        home = process(session)
        number = [backend.pid for backend in backends].index(home) + 1
        administrate(front, f"set server waterspout_by_cookie/{number} state drain")
        assert process(session) == home
        with Visitor(front) as other:
            assert process(Polling(other)) != home
        administrate(front, f"set server waterspout_by_cookie/{number} state ready")
        with Visitor(front) as other:
            assert process(Polling(other)) == home


def administrate(front: Front, command: str) -> None:
    """Give HAProxy a command at its socket."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(front.plan.folder / "admin.sock"))
        admin.sendall(f"{command}\n".encode())
        assert admin.recv(4096).strip() == b""


@only_by_cookie
@pytest.mark.hosts
@pytest.mark.parametrize("kind", ["apache2"], indirect=True, scope="module")
def test_apache_keeps_a_browser_at_its_process(front: Front, backends: list[Backend]) -> None:
    homes = set()
    for address in ADDRESSES:
        with Visitor(front, address=address) as visitor:
            session = Polling(visitor)
            visitor.move(ADDRESSES[0])
            (home,) = {process(session) for _ in range(3)}
            homes.add(home)
            assert cookies_of(visitor) == []
    assert homes == {backend.pid for backend in backends}
    with Visitor(front) as visitor:
        (cookie,) = cookies_of(visitor)
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


@only_by_cookie
@pytest.mark.hosts
@pytest.mark.parametrize("kind", ["apache2"], indirect=True, scope="module")
def test_clients_of_a_process_that_is_gone_begin_anew_behind_apache(front: Front, backends: list[Backend]) -> None:
    with Visitor(front) as visitor:
        session = Polling(visitor)
        home = process(session)
        (gone,) = (backend for backend in backends if backend.pid == home)
        with gone.paused():
            status, body = visitor.get(session.target)
            assert (status, b"Session ID unknown" in body) == (400, True)
            (other,) = {process(Polling(visitor)) for _ in range(3)}
        assert other in {backend.pid for backend in backends} - {home}
