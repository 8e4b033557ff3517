"""An engine's place in a process, without a web server."""

import subprocess
import sys

import pytest

from hosts.handloop import HandLoop
from hosts.test_link import Wire
from waterspout import Server
from waterspout.drivers import InlineDriver
from waterspout.engine import Engine
from waterspout.hosts.residence import Residence

KIT = (
    "accepting",
    "adopting",
    "link",
    "listeners",
    "loops",
    "messenger",
    "output",
    "residence",
    "socketlink",
)


@pytest.fixture
def engine() -> Engine:
    return Server().engine


@pytest.fixture
def residence(engine: Engine) -> Residence:
    residence, loop = Residence.of(engine), HandLoop()
    residence.bind(loop, InlineDriver(), loop)
    return residence


def test_what_all_hosts_share_imports_no_web_server() -> None:
    program = f"import sys; from waterspout.hosts import {', '.join(KIT)}; sys.exit('tornado' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_all_hosts_of_an_engine_share_one(engine: Engine, residence: Residence) -> None:
    assert Residence.of(engine) is residence
    assert Residence.of(Server().engine) is not residence


def test_it_is_drained_when_its_last_connection_is_closed(residence: Residence) -> None:
    first, second = Wire(residence.output), Wire(residence.output)
    drained = residence.drain()
    first.link.close()
    assert not drained.done
    second.link.connection_lost(None)
    assert drained.done
    assert residence.drain().done


def test_where_nobody_has_come_nothing_is_to_be_drained_or_cut(engine: Engine) -> None:
    residence = Residence.of(engine)
    residence.cut()
    assert residence.drain().done


def test_what_is_left_is_cut(residence: Residence) -> None:
    wires = [Wire(residence.output) for _ in range(3)]
    residence.cut()
    assert [wire.is_aborted for wire in wires] == [True] * 3
    assert residence.output.open_links == set()


class Over(InlineDriver):
    """A driver whose loop has ended."""

    def is_over(self, *, idle: bool) -> bool:
        return True


@pytest.mark.parametrize("by_host", [True, False])
def test_the_connections_of_a_loop_that_is_over_are_closed_when_another_takes_its_place(
    engine: Engine, by_host: bool
) -> None:
    residence, loop = Residence.of(engine), HandLoop()
    residence.bind(loop, Over(), loop)
    wire, before = Wire(residence.output), residence.output
    if by_host:
        residence.bind(HandLoop(), InlineDriver(), HandLoop())
        assert residence.output is not before
    else:
        engine.bind(InlineDriver())
        assert residence.home is None
    assert (wire.is_aborted, wire.keeper.losses) == (True, 0)
