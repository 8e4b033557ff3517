"""Where the value is that JSON cannot carry."""

from collections.abc import Callable
from typing import Any

import pytest

from waterspout.wire.places import MAX_LOOKS, find_fault


class Odd(str):
    """A text that cannot say what it is."""

    def __str__(self) -> str:
        raise LookupError


loop: list[Any] = []
loop.append(loop)
wide: Any = "a leaf"
for _ in range(60):
    wide = [wide, wide]  # 2**60 leaves, if each container were looked at more than once


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), " (args)"),
        ([1, (2, {"a": {1j}})], " (args[1][1]['a'])"),
        ({"first": [object()], "second": object()}, " (args['first'][0])"),
        ({("a",): 1}, " (the key ('a',) of args)"),
        ({"x" * 100: object()}, " (args['" + "x" * 79 + "])"),
        ([Odd("x")], " (args[0])"),
        ([b"bytes", 1, None, "text", {"a": 1}], ""),
        (loop, ""),
        (wide, ""),
    ],
    ids=["alone", "deep", "first", "key", "long key", "odd", "none", "loop", "wide"],
)
def test_the_place_of_a_value_that_cannot_be_sent(value: Any, place: str) -> None:
    assert find_fault(value, "args") == place


@pytest.mark.parametrize("data", [[0] * 100_000, dict.fromkeys(map(str, range(50_000)), "x")], ids=["list", "dict"])
def test_what_a_client_has_sent_is_no_work_on_the_way_to_the_place(
    steps: Callable[[Callable[[], object]], int], data: Any
) -> None:
    answer = {"data": data, "when": object()}
    assert find_fault(answer, "result") == " (result['when'])"
    assert steps(lambda: find_fault(answer, "result")) < 100


def test_no_more_is_searched_than_takes_a_moment(steps: Callable[[Callable[[], object]], int]) -> None:
    some, data = ([[[0] * 100 for _ in range(100)] for _ in range(count)] for count in (2, 20))
    assert find_fault([some, object()], "result") == " (result[1])"
    assert find_fault([data, object()], "result") == ""
    assert steps(lambda: find_fault([data, object()], "result")) < 13 * MAX_LOOKS
