"""What a handler takes, read off its signature once, and held against what clients send.

A value that is not what the handler's annotation asks for never reaches it, nor does a wrong number of values.
"""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from inspect import Parameter, signature
from typing import Any

import msgspec

from ..engine import Asker
from ..errors import ArgumentError
from ..wire.json import as_read
from .annotations import BytesOr, describe, has_binary, innermost, resolve
from .models import Mismatch, Model

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

# What a value can provoke: msgspec's refusal, depth, hashes, surrogates, and mistakes in a type's own __post_init__.
_REFUSALS = (
    msgspec.MsgspecError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
_LONGEST = 80  # characters of anything that a client may have written
_PREFIX = 32  # and of msgspec's words before it
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_UNTOLD = "[...]"
_UNDEFINED = " (which JavaScript's undefined becomes, too)"
_OMITTED = " (which JavaScript's undefined becomes, too: leave the argument out)"
_WITHOUT_VALUES = re.compile(
    r"Expected [^,]*(, got `\w+`)?|Object missing required field `\w+`|Invalid (UUID|\w+ encoded \w+)"
    r"|it cannot be converted \(\w+\)|it is nested too deeply"
)
_SAYS_WHAT_CAME = re.compile(r"\bgot\b|\bvalue\b|\bfield\b")

_bytes_as_they_come = partial(msgspec.convert, builtin_types=(bytes,))  # else base64; it costs 0.2 us each


def _by_pydantic(convert: Callable[[Any, Any], Any], value: Any, kind: Any) -> Any:
    return kind.convert(value) if isinstance(kind, Model) else convert(value, kind)


def _one_of_several(convert: Callable[[Any, Any], Any], value: Any, kind: Any) -> Any:
    if not isinstance(kind, BytesOr):
        return convert(value, kind)
    return value if type(value) is bytes else convert(value, kind.other)


def _converter(wanted: list[Any], strict: bool) -> Callable[[Any, Any], Any]:
    """Return what makes these types, and costs no more than they need."""
    convert: Callable[..., Any] = _bytes_as_they_come if any(map(has_binary, wanted)) else msgspec.convert
    if not strict:
        convert = partial(convert, strict=False)
    if any(isinstance(kind.other if isinstance(kind, BytesOr) else kind, Model) for kind in wanted):
        convert = partial(_by_pydantic, convert)
    if any(isinstance(kind, BytesOr) for kind in wanted):
        convert = partial(_one_of_several, convert)
    return convert


class Arguments:
    """The arguments of one event's handler.

    The first `leading` positional parameters are the server's: the socket, or `self`; of those behind, it fills `most`.
    Unless `strict`, strings may stand for numbers, booleans and None, as they have to in a query. TypeError for a
    function that no client could call, which names it, its parameter and the remedy. `typed` tells whether anything is
    to be converted, `exactly` is the number of arguments, or -1 where it varies: where neither matters, comparing
    `exactly` is enough. What a type's `__post_init__` raises is a refusal too, except for exceptions of other families
    than the builtin ones for wrong values: those go through.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        event: str,
        *,
        leading: int = 1,
        most: int = sys.maxsize,
        strict: bool = True,
    ) -> None:
        self._event = event
        takes, rest = _read(function, event, leading)
        self._takes, self._rest = takes[:most], rest if len(takes) < most else None
        self._fewest = sum(one.default is Parameter.empty for one in self._takes)
        self._most = sys.maxsize if self._rest else len(self._takes)
        self._kinds = tuple(_kind(one, function, event) for one in self._takes)
        self._rest_kind = _kind(self._rest, function, event) if self._rest else None
        wanted = [kind for kind in (*self._kinds, self._rest_kind) if kind is not None]
        self._convert = _converter(wanted, strict)
        self.typed = bool(wanted)
        self.exactly = self._fewest if self._fewest == self._most else -1
        self._plain = -1 if self.typed else self.exactly

    def convert(self, args: list[Any], asker: Asker | None = None, token: Any = None) -> list[Any]:
        """Return what to call the handler with, the server's own arguments apart: `args` itself, if nothing is typed.

        ArgumentError for what the handler does not take. The guard (`drivers/lag`) reads `asker` and `token` off the
        stack: the types may run code of the user's, which may block.
        """
        count = len(args)
        if count == self._plain:
            return args
        if not self._fewest <= count <= self._most:
            raise self._miscounted(count)
        if not self.typed:
            return args
        kinds = self._kinds
        if count > len(kinds):
            kinds += (self._rest_kind,) * (count - len(kinds))
        convert = self._convert
        converted: list[Any] = []
        try:  # the hot loop: 0.15 to 0.3 us for each plain argument
            for value, kind in zip(args, kinds, strict=False):
                converted.append(value if kind is None else convert(value, kind))
        except _REFUSALS as error:
            raise self._mismatch(len(converted), args, error) from error
        return converted

    def describe(self) -> list[dict[str, Any]]:
        """Return each argument's name, whether it is required or variadic (any number of them), and its JSON Schema.

        One that is not required has its `default`, if JSON can say that.
        """
        described = list(map(_describe, self._takes, self._kinds))
        return described if self._rest is None else [*described, _describe(self._rest, self._rest_kind)]

    def _miscounted(self, count: int) -> ArgumentError:
        text = f"the event {self._event!a} takes {self._range()}, {count} came"
        if count >= self._fewest:
            return ArgumentError(text, event=self._event, outline=text)
        missing = self._takes[count].name
        text += f": {missing!a} is missing"
        return ArgumentError(text, event=self._event, argument=missing, outline=text)

    def _range(self) -> str:
        fewest, most = self._fewest, self._most
        number = (
            f"{fewest}" if fewest == most else f"{fewest} or more" if most == sys.maxsize else f"{fewest} to {most}"
        )
        return f"{number} argument{'s' if number != '1' else ''}"

    def _mismatch(self, index: int, args: list[Any], error: Exception) -> ArgumentError:
        rest = self._rest if index >= len(self._takes) else None
        name = (rest or self._takes[index]).name
        detail, place = _read_refusal(error, args[index])
        if rest is not None:  # the parameter is a tuple, and this one of its items
            place = place.replace("$", f"$[{index - len(self._takes)}]", 1)
        where = "" if place == "$" else f", at {place}"
        hint = "" if args[index] is not None else _OMITTED if index >= self._fewest else _UNDEFINED
        about = f"the event {self._event!a} does not take this as {name!a}"
        text = _own_words(error) or f"{about}: {detail}{where}{hint}"
        outline = f"{about}: {_without_values(error, detail)}{where}{hint}"
        return ArgumentError(text, event=self._event, argument=name, place=place, outline=outline)


def _describe(parameter: Parameter, kind: Any) -> dict[str, Any]:
    variadic, has_default = parameter.kind is Parameter.VAR_POSITIONAL, parameter.default is not Parameter.empty
    required = not (variadic or has_default)
    described = {"name": parameter.name, "required": required, "variadic": variadic, "schema": describe(kind)}
    with suppress(TypeError, ValueError, RecursionError):  # a default that JSON does not have
        if has_default:
            described["default"] = as_read(parameter.default)
    return described


def _read(function: Callable[..., Any], event: str, leading: int) -> tuple[list[Parameter], Parameter | None]:
    """Return the parameters that an event's arguments fill, and the one that takes all the rest."""
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError, NameError) as error:
        raise _unservable(function, event, f"its signature cannot be read ({error}): wrap it in a function") from error
    positional = [one for one in parameters if one.kind in _POSITIONAL]
    rest = next((one for one in parameters if one.kind is Parameter.VAR_POSITIONAL), None)
    if len(positional) < leading and rest is None:
        reason = f"it takes {len(positional)} positional parameters, and the server itself passes {leading}"
        raise _unservable(function, event, f"{reason}: begin with one for the socket")
    for one in parameters:
        if one.kind is Parameter.KEYWORD_ONLY and one.default is Parameter.empty:
            raise _unservable(
                function,
                event,
                "it is keyword-only, and no client can pass it: give it a default, or put it before the *",
                one,
            )
    return positional[leading:], rest


def _kind(parameter: Parameter, function: Callable[..., Any], event: str) -> Any:
    try:
        return resolve(parameter.annotation, function)
    except TypeError as error:
        raise _unservable(function, event, str(error), parameter) from error


def _unservable(function: Callable[..., Any], event: str, reason: str, parameter: Parameter | None = None) -> TypeError:
    name = getattr(innermost(function), "__qualname__", repr(function))
    where = "" if parameter is None else f", parameter {parameter.name!r}"
    return TypeError(f"{name} cannot handle {event!r}{where}: {reason}")


def _read_refusal(error: Exception, value: Any) -> tuple[str, str]:
    """Take msgspec's sentence apart, into what is wrong and where; of other errors, a client learns the kind only."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply", "$"
    if isinstance(error, Mismatch):
        return _with_value(error.detail, error.value), _cut(error.place, _LONGEST)
    if not isinstance(error, msgspec.MsgspecError):
        return f"it cannot be converted ({type(error).__name__})", "$"
    text = str(error)
    detail, _, place = text.rpartition(" - at `")  # linear, whatever a client has written into the text
    key = place.startswith("key` in `")
    place = place.removeprefix("key` in `").removesuffix("`")
    if not (detail and place.startswith("$")):
        detail, place = text, "$"
    return _with_value(detail, _follow(value, place)), _cut(place, _LONGEST) + (" (a key)" if key else "")


def _with_value(detail: str, value: Any) -> str:
    """Shorten the sentence, and show the value unless it is in there."""
    came = "" if _SAYS_WHAT_CAME.search(detail) else _show(value)
    return _cut(detail, _PREFIX + _LONGEST) + came


def _own_words(error: Exception) -> str:
    """Return what a type's own `__post_init__` has raised (ValueError, TypeError): it is for the client."""
    return str(error.__cause__) if isinstance(error, msgspec.ValidationError) and error.__cause__ else ""


def _without_values(error: Exception, detail: str) -> str:
    """Return what is wrong without anything that a client has written: types, bounds and names of fields."""
    if error.__cause__ is not None:
        return f"its type refuses it ({type(error.__cause__).__name__})"
    found = _WITHOUT_VALUES.match(detail)
    return found[0] if found else "it is not valid"


def _follow(value: Any, place: str) -> Any:
    """Return what is at a place, or None below a dictionary whose keys msgspec does not tell."""
    if _UNTOLD in place:
        return None
    for name, index in _STEP.findall(place):
        if index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        elif name and isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value


def _show(value: Any) -> str:
    """Show a short value, for a sentence that does not say what came."""
    match value:
        case str():
            return f', got "{_cut(value, _LONGEST)}"'
        case int() if value.bit_length() > _LONGEST:  # to write a longer one takes time, or is refused
            return ", got a larger number"
        case list():
            return f", got {len(value)}"
        case int() | float():
            return f", got {value!r}"
    return ""


def _cut(text: str, longest: int) -> str:
    """Shorten and escape what may be a client's."""
    escaped = ascii(text[: longest + 1])[1:-1]
    return escaped if len(escaped) <= longest else f"{escaped[: longest - 3]}..."
