"""Where the value is that JSON cannot carry."""

from typing import Any

import pytest

from waterspout.wire.places import find_fault


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
