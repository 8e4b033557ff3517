"""Sessions live as long as they are promoted (T2-96 to T2-98)."""

import pytest

from waterspout.faces.tornadio2 import sessioncontainer
from waterspout.faces.tornadio2.sessioncontainer import SessionBase, SessionContainer

NOW = 1_000_000.0


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the module sees."""
    moment = [NOW]
    monkeypatch.setattr(sessioncontainer, "time", lambda: moment[0])
    return moment


class Session(SessionBase):
    """A session that writes down how it ends, and may refuse to."""

    def __init__(self, session_id: str | None = None, expiry: float | None = None, *, clings: bool = False) -> None:
        super().__init__(session_id, expiry)
        self.clings = clings
        self.deleted: list[bool] = []

    def on_delete(self, forced: bool) -> None:
        self.deleted.append(forced)
        if self.clings and not forced:
            self.promote()


@pytest.fixture
def container() -> SessionContainer:
    return SessionContainer()


def test_a_session_has_an_id_of_its_own_unless_it_is_given_one() -> None:
    ids = {SessionBase().session_id for _ in range(10_000)}
    assert len(ids) == 10_000
    assert set("".join(ids)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert min(map(len, ids)) * 6 >= 128  # bits
    assert SessionBase("mine").session_id == "mine"


def test_a_session_lives_for_its_expiry_and_on_when_it_is_promoted(time: list[float]) -> None:
    session = SessionBase(expiry=10)
    assert session.expiry_date == NOW + 10
    time[0] += 9
    assert session.is_alive()
    session.promote()
    assert session.promoted == NOW + 19
    time[0] += 9
    assert session.is_alive()
    time[0] += 1
    assert not session.is_alive()


def test_a_session_without_expiry_lives_for_ever(time: list[float], container: SessionContainer) -> None:
    session = Session()
    container.add(session)
    session.promote()
    assert session.promoted is None
    time[0] += 1e9
    container.expire()
    assert session.is_alive()
    assert container.get(session.session_id) is session
    assert session.deleted == []


def test_the_older_of_two_sessions_is_the_one_that_expires_first() -> None:
    assert SessionBase(expiry=1) < SessionBase(expiry=2) < SessionBase()


def test_what_was_added_is_found_by_its_id(container: SessionContainer) -> None:
    session = Session("a", 10)
    container.add(session)
    assert container.get("a") is session
    assert container.get("b") is None


def test_sessions_expire_in_time_and_no_earlier(time: list[float], container: SessionContainer) -> None:
    short, long = Session("short", 5), Session("long", 10)
    container.add(long)
    container.add(short)
    container.expire(NOW + 4.9)
    assert (short.deleted, long.deleted) == ([], [])
    container.expire(NOW + 5)
    assert (short.deleted, long.deleted) == ([False], [])
    assert container.get("short") is None
    assert container.get("long") is long
    time[0] += 10
    container.expire()
    assert long.deleted == [False]
    assert container.get("long") is None


def test_a_promotion_moves_the_window(time: list[float], container: SessionContainer) -> None:
    session = Session("a", 10)
    container.add(session)
    for _ in range(3):
        time[0] += 9
        session.promote()
        container.expire()
        assert container.get("a") is session
    time[0] += 9.9
    container.expire()
    assert session.deleted == []
    time[0] += 0.1
    container.expire()
    assert session.deleted == [False]


def test_a_promoted_session_is_told_apart_from_one_that_was_promoted_long_ago(container: SessionContainer) -> None:
    session = Session("a", 10)
    container.add(session)
    session.promote()
    container.expire(NOW + 50)
    assert session.deleted == [False]


def test_a_session_may_promote_itself_when_its_time_is_over(time: list[float], container: SessionContainer) -> None:
    session = Session("a", 10, clings=True)
    container.add(session)
    for count in (1, 2, 3):
        time[0] += 10
        container.expire()
        assert session.deleted == [False] * count
        assert container.get("a") is session
    session.clings = False
    time[0] += 10
    container.expire()
    assert container.get("a") is None


def test_a_session_is_removed_once_and_told_so(container: SessionContainer) -> None:
    session = Session("a", 10)
    container.add(session)
    assert container.remove("a") is True
    assert session.deleted == [True]
    assert container.get("a") is None
    assert container.remove("a") is False
    assert session.deleted == [True]


def test_a_removed_session_does_not_stop_later_sweeps(container: SessionContainer) -> None:
    removed, other = Session("a", 5), Session("b", 6)
    container.add(removed)
    container.add(other)
    container.remove("a")
    container.expire(NOW + 10)
    assert removed.deleted == [True]
    assert other.deleted == [False]


def test_an_id_can_be_used_again(container: SessionContainer) -> None:
    first, second = Session("a", 5), Session("a", 10)
    container.add(first)
    container.remove("a")
    container.add(second)
    container.expire(NOW + 5)
    assert second.deleted == []
    container.expire(NOW + 10)
    assert second.deleted == [False]


def test_a_session_that_is_added_again_later_keeps_its_time(time: list[float], container: SessionContainer) -> None:
    session = Session("a", 10)
    container.add(session)
    container.remove("a")
    session.promote()
    container.add(session)
    container.expire(NOW + 9)
    assert container.get("a") is session
    time[0] += 5
    session.promote()
    container.expire(NOW + 14)
    container.expire(NOW + 14.9)
    assert container.get("a") is session
    container.expire(NOW + 15)
    assert session.deleted == [True, False]


def test_an_error_at_the_end_of_one_session_does_not_keep_the_others(container: SessionContainer) -> None:
    class Failing(SessionBase):
        def on_delete(self, forced: bool) -> None:
            raise LookupError(self.session_id)

    other = Session("b", 5)
    container.add(Failing("a", 4))
    container.add(other)
    with pytest.raises(LookupError):
        container.expire(NOW + 10)
    assert container.get("a") is None
    container.expire(NOW + 10)
    assert other.deleted == [False]
