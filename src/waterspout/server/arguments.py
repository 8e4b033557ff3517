"""Placeholder."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any


class Arguments:
    """What a handler takes."""

    def __init__(self, function: Callable[..., Any], event: str, *, leading: int = 1) -> None:
        self.typed = False
        kinds = [p for p in signature(function).parameters.values()][leading:]
        simple = all(p.kind is Parameter.POSITIONAL_OR_KEYWORD and p.default is Parameter.empty for p in kinds)
        self.exactly = len(kinds) if simple else -1

    def convert(self, args: list[Any]) -> list[Any]:
        """Convert."""
        return args

    def describe(self) -> list[dict[str, Any]]:
        """Describe."""
        return []
