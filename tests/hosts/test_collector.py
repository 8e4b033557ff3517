"""The garbage collector while a server of its own runs."""

import gc

import pytest

from waterspout.hosts.collector import fitted


def test_its_rounds_are_rarer_and_leave_out_what_was_there_before() -> None:
    gc.unfreeze()
    before = gc.get_threshold()
    with fitted():
        assert gc.get_threshold() == (50_000, 20, 10)
        assert gc.get_freeze_count() > 1000
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_it_is_put_back_also_after_a_failure() -> None:
    before = gc.get_threshold()
    with pytest.raises(LookupError), fitted():
        raise LookupError
    assert gc.get_threshold() == before
