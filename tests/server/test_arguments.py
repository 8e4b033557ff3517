"""What a handler takes: read off its signature, held against what clients send."""

import functools
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Real
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, Optional, Protocol, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from waterspout.errors import ArgumentError, WaterspoutError
from waterspout.server.arguments import Arguments

T = TypeVar("T")
Few = Annotated[T, Meta(max_length=1000)]


class Item(Struct):
    price: float
    name: str = ""


class Order(Struct):
    items: list[Item]
    by_name: dict[str, Item] = {}


class Bounded(Struct):
    price: Annotated[int, Meta(ge=0)]


class Strict(Struct, forbid_unknown_fields=True):
    a: int


class Circle(Struct, tag="circle"):
    radius: float


class Square(Struct, tag="square"):
    side: float


class Tree(Struct):
    child: Optional["Tree"] = None


class Checked(Struct):
    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("the value must not be negative")
        1 // self.value


@dataclass
class Point:
    x: int
    y: int = 0


class Person(TypedDict):
    name: str


class Pair(NamedTuple):
    left: int
    right: str


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Custom:
    pass


class Sized(Protocol):
    def size(self) -> int: ...


class WithPrivateField(Struct):
    a: int
    mine: Custom | None = None


def say(socket: Any, message: Item, count: int = 1, *rest: str) -> None: ...


def taking(annotation: Any) -> Arguments:
    """The arguments of a handler with one parameter of this type."""

    def handler(socket: Any, value: Any) -> None: ...

    handler.__annotations__["value"] = annotation
    return Arguments(handler, "say")


def refusal(arguments: Arguments, *args: Any) -> ArgumentError:
    with pytest.raises(ArgumentError) as caught:
        arguments.convert(list(args))
    return caught.value


# What is converted

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NUMBER = UUID("12345678-1234-5678-1234-567812345678")
CONVERTED = [
    (str, "a", "a"),
    (int, 3, 3),
    (int, 10**30, 10**30),
    (float, 3, 3.0),
    (bool, True, True),
    (None, None, None),
    (bytes, b"\0\1", b"\0\1"),
    (list[bytes], [b"a"], [b"a"]),
    (bytes | list[bytes], [b"a"], [b"a"]),
    (int | None, None, None),
    (Literal["a", 1], 1, 1),
    (Colour, "blue", Colour.BLUE),
    (datetime, "2026-01-02T03:04:05Z", MOMENT),
    (date, "2026-01-02", MOMENT.date()),
    (timedelta, "PT5S", timedelta(seconds=5)),
    (UUID, str(NUMBER), NUMBER),
    (Decimal, "1.50", Decimal("1.50")),
    (set[str], ["a", "b", "a"], {"a", "b"}),
    (Few[set[int]], [1, 2, 1], {1, 2}),
    (tuple[int, str], [1, "a"], (1, "a")),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (Item, {"price": 1}, Item(1.0)),
    (Order, {"items": [{"price": 1.5, "name": "a"}]}, Order([Item(1.5, "a")])),
    (Point, {"x": 1}, Point(1)),
    (Person, {"name": "Ada"}, {"name": "Ada"}),
    (Pair, [1, "a"], Pair(1, "a")),
    (Circle | Square, {"type": "square", "side": 2}, Square(2.0)),
    (Tree, {"child": {"child": None}}, Tree(Tree(None))),
    (Annotated[int, Meta(ge=1)], 1, 1),
    (WithPrivateField, {"a": 1}, WithPrivateField(1)),
    (Real, 1.5, 1.5),
    (list[object], [1, "a", None], [1, "a", None]),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), CONVERTED)
def test_a_value_becomes_what_the_annotation_says(annotation: Any, value: Any, expected: Any) -> None:
    (converted,) = taking(annotation).convert([value])
    assert converted == expected
    assert type(converted) is type(expected)


def test_defaults_and_the_rest_are_as_in_any_call() -> None:
    arguments = Arguments(say, "say")
    assert arguments.convert([{"price": 1}]) == [Item(1.0)]
    assert arguments.convert([{"price": 1}, 2]) == [Item(1.0), 2]
    assert arguments.convert([{"price": 1}, 2, "a", "b"]) == [Item(1.0), 2, "a", "b"]


@pytest.mark.parametrize("annotation", [Any, object, TypeVar("T")])
def test_what_may_be_anything_is_left_as_it_is(annotation: Any) -> None:
    args = [{"a": [b"1", None]}]
    assert taking(annotation).convert(args) is args


def test_arguments_without_annotations_are_left_as_they_are() -> None:
    arguments = Arguments(lambda socket, a, b: None, "say")
    args = [[1], {"a": 2}]
    assert arguments.convert(args) is args
    assert (arguments.typed, arguments.exactly) == (False, 2)


def test_only_what_is_annotated_is_converted() -> None:
    def handler(socket: Any, first, second: float, *rest) -> None: ...

    given_first, given_rest = [1], {"a": 1}
    first, second, rest = Arguments(handler, "say").convert([given_first, 2, given_rest])
    assert (first is given_first, type(second), rest is given_rest) == (True, float, True)


def test_it_is_known_whether_something_is_typed_and_how_many_arguments_there_are() -> None:
    def facts(function: Callable[..., Any]) -> tuple[bool, int]:
        arguments = Arguments(function, "say")
        return arguments.typed, arguments.exactly

    assert facts(say) == (True, -1)
    assert facts(lambda socket: None) == (False, 0)
    assert facts(lambda socket, a=1: None) == (False, -1)
    assert facts(lambda *args: None) == (False, -1)
    assert taking(int).exactly == 1


# What is refused

# The sentence is the library's; what it has to say, and where, is ours.
REFUSED: list[tuple[Any, Any, tuple[str, ...], str]] = [
    (int, "1", ("int", "str"), "$"),
    (int, 3.0, ("int", "float"), "$"),
    (int, True, ("int", "bool"), "$"),
    (str, 1, ("str", "int"), "$"),
    (str, b"a", ("str", "bytes"), "$"),
    (bytes, "YQ==", ("bytes", "str"), "$"),
    (list[bytes], [b"a", "YQ=="], ("bytes", "str"), "$[1]"),
    (bool, 1, ("bool", "int"), "$"),
    (float, 10**400, (", got a larger number",), "$"),
    (datetime, "yesterday", (', got "yesterday"',), "$"),
    (list[datetime], ["yesterday"], (', got "yesterday"',), "$[0]"),
    (UUID, "none of it", (', got "none of it"',), "$"),
    (Literal["a"], "violet", ("violet",), "$"),
    (Literal["a"], "violet - at `c", ("violet - at `c",), "$"),
    (Colour, "green", ("green",), "$"),
    (Annotated[int, Meta(ge=1)], 0, ("int", ", got 0"), "$"),
    (Item, {}, ("price",), "$"),
    (Item, "a", ("object", "str"), "$"),
    (Order, {"items": [{"price": 1}, {"price": "2"}]}, ("float", "str"), "$.items[1].price"),
    (Order, {"items": [], "by_name": {"a": {"price": []}}}, ("float", "array"), "$.by_name[...].price"),
    (Few[dict[int, int]], {"a": 1}, ("int", "str"), "$ (a key)"),
    (dict[str, Annotated[int, Meta(ge=1)]], {"a": 0}, ("int", "1"), "$[...]"),
    (dict[str, Bounded | str], {"price": "3", "b": {"price": -1}}, ("int", "0"), "$[...].price"),
    (list[Bounded], [{"price": 1}, {"price": -1}], ("int", "0", ", got -1"), "$[1].price"),
    (Annotated[list[int], Meta(min_length=1)], [], ("array", "1", ", got 0"), "$"),
    (Strict, {"a": 1, "surplus": 2}, ("surplus",), "$"),
    (Circle | Square, {"type": "line"}, ("line",), "$.type"),
    (Checked, {"value": 0}, ("it cannot be converted (ZeroDivisionError)",), "$"),
]


@pytest.mark.parametrize(("annotation", "value", "told", "place"), REFUSED)
def test_a_mismatch_says_what_was_expected_what_came_and_where(
    annotation: Any, value: Any, told: tuple[str, ...], place: str
) -> None:
    error = refusal(taking(annotation), value)
    where = "" if place == "$" else f", at {place}"
    text = str(error)
    assert text.startswith("the event 'say' does not take this as 'value': ")
    assert text.endswith(where)
    detail = text.removesuffix(where).partition("'value': ")[2]
    assert [one for one in told if one not in detail] == []
    assert (error.event, error.argument, error.place) == ("say", "value", place)


@pytest.mark.parametrize(("annotation", "value"), [(Few[set[Any]], [[1]]), (datetime, "\ud800")])
def test_what_stops_a_conversion_halfway_is_a_refusal(annotation: Any, value: Any) -> None:
    error = refusal(taking(annotation), value)
    assert str(error).startswith("the event 'say' does not take this as 'value': ")
    assert error.place.startswith("$")


class Personal(Struct):
    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("Bitte einen Namen eingeben - für später")


def test_the_words_of_a_type_s_own_refusal_reach_the_client_as_they_are() -> None:
    error = refusal(taking(Checked), {"value": -1})
    assert (str(error), error.argument, error.place) == ("the value must not be negative", "value", "$")
    error = refusal(taking(list[Personal]), [{"name": "a"}, {"name": ""}])
    assert (str(error), error.place) == ("Bitte einen Namen eingeben - für später", "$[1]")
    assert error.outline == "the event 'say' does not take this as 'value': its type refuses it (ValueError), at $[1]"


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "secret"),
        (Annotated[str, Meta(max_length=2)], "secret"),
        (Literal["a"], "secret"),
        (Strict, {"a": 1, "secret": 2}),
        (datetime, "secret"),
        (Item, {"secret": 1}),
        (Order, {"items": [], "by_name": {"secret": {"price": "secret"}}}),
        (Circle | Square, {"type": "secret"}),
    ],
)
def test_the_outline_for_a_log_has_nothing_that_the_client_wrote(annotation: Any, value: Any) -> None:
    error = refusal(taking(annotation), value)
    assert error.outline.startswith("the event 'say' does not take this as 'value': ")
    assert "secret" not in error.outline


def test_the_client_is_told_what_the_error_knows() -> None:
    error = refusal(taking(list[int]), [1, None])
    text = str(error)
    assert error.report == {"error": {"event": "say", "argument": "value", "place": "$[1]", "message": text}}
    assert text.startswith("the event 'say' does not take this as 'value': ")
    assert text.endswith(", at $[1]")
    assert isinstance(error, WaterspoutError)


def test_the_cause_is_kept_for_the_log() -> None:
    assert isinstance(refusal(taking(Checked), {"value": 0}).__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "mistake", [LookupError, KeyError, AttributeError, AssertionError, RuntimeError, RecursionError, OverflowError]
)
def test_a_mistake_of_the_type_itself_is_a_refusal_that_gives_nothing_away(mistake: type[Exception]) -> None:
    class Mistaken(Struct):
        def __post_init__(self) -> None:
            raise mistake("a secret")

    error = refusal(taking(Mistaken), {})
    assert "secret" not in str(error)
    assert type(error.__cause__) is mistake


def test_an_argument_of_the_rest_is_a_place_in_the_tuple_that_the_handler_sees() -> None:
    def handler(socket: Any, name: str, *points: Point) -> None: ...

    error = refusal(Arguments(handler, "draw"), "a", {"x": 1}, {"x": 1, "y": None})
    assert (error.argument, error.place) == ("points", "$[1].y")


def test_the_argument_that_failed_is_named_when_others_are_right() -> None:
    error = refusal(Arguments(say, "say"), {"price": 1}, "2")
    assert (error.argument, error.place) == ("count", "$")


COUNTED = [
    (lambda socket: None, 1, "takes 0 arguments, 1 came", None),
    (lambda socket, a: None, 0, "takes 1 argument, 0 came: 'a' is missing", "a"),
    (lambda socket, a: None, 2, "takes 1 argument, 2 came", None),
    (lambda socket, a, b, c: None, 1, "takes 3 arguments, 1 came: 'b' is missing", "b"),
    (lambda socket, a, b=1, c=2: None, 4, "takes 1 to 3 arguments, 4 came", None),
    (lambda socket, a, b=1, c=2: None, 0, "takes 1 to 3 arguments, 0 came: 'a' is missing", "a"),
    (lambda socket, a, *rest: None, 0, "takes 1 or more arguments, 0 came: 'a' is missing", "a"),
    (functools.partial(lambda socket, a, b: None, b=1), 2, "takes 1 argument, 2 came", None),
    (say, 0, "takes 1 or more arguments, 0 came: 'message' is missing", "message"),
]


@pytest.mark.parametrize(("function", "count", "sentence", "missing"), COUNTED)
def test_missing_and_surplus_arguments_are_refused(
    function: Callable[..., Any], count: int, sentence: str, missing: str | None
) -> None:
    error = refusal(Arguments(function, "say"), *[None] * count)
    assert str(error) == f"the event 'say' {sentence}"
    assert (error.argument, error.place) == (missing, "")


# Hostile clients


def test_a_function_that_wraps_itself_is_refused_with_a_sentence() -> None:
    def endless(socket: Any) -> None: ...

    endless.__wrapped__ = endless  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"endless cannot handle 'say': its signature cannot be read"):
        Arguments(endless, "say")


@pytest.mark.parametrize("annotation", [Colour, Literal["a"], Strict, Circle | Square, UUID, Decimal, datetime, Point])
@pytest.mark.parametrize("text", ["x" * 100_000, "\n\r\0" * 30_000, "é😀'\"`" * 20_000, " - at `$.a`" * 90_000])
def test_a_sentence_holds_little_of_what_came_and_only_in_ascii(annotation: Any, text: str) -> None:
    for value in (text, {text: 1, "a": 1}, {"type": text, "a": 1}, [text]):
        error = refusal(taking(annotation), value)
        assert len(str(error)) < 350
        assert len(error.place) <= 80 + len(" (a key)")
        assert (str(error) + error.place).isascii()
        assert (str(error) + error.place).isprintable()


def test_a_place_that_a_client_makes_deep_is_cut() -> None:
    value: dict[str, Any] = {"child": 1}
    for _ in range(50):
        value = {"child": value}
    error = refusal(taking(Tree), value)
    assert len(error.place) == 80
    assert error.place.startswith("$.child.child")
    assert error.place.endswith("...")


def test_what_is_nested_too_deeply_is_refused() -> None:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"child": value}
    assert str(refusal(taking(Tree), value)).endswith("it is nested too deeply")


@pytest.mark.parametrize("annotation", [float, str, bool, datetime, Colour, Annotated[int, Meta(le=1)], list[int]])
def test_numbers_beyond_what_python_writes_are_refused(annotation: Any) -> None:
    assert len(str(refusal(taking(annotation), 10**5000))) < 350


# Handlers of all kinds


class Chat:
    def say(self, message: Item, count: int = 1) -> None: ...

    async def later(self, message: Item, count: int = 1) -> None: ...

    @staticmethod
    def alone(socket: object, message: Item, count: int = 1) -> None: ...

    @classmethod
    def shared(cls, socket: object, message: Item, count: int = 1) -> None: ...

    def __call__(self, socket: object, message: Item, count: int = 1) -> None: ...

    def bound(self, socket: object, message: Item, count: int = 1) -> None: ...


@functools.wraps(Chat.say)
def wrapped(*args: Any, **options: Any) -> None: ...


def with_flag(flag: bool, socket: object, message: Item, count: int = 1) -> None: ...


def with_options(socket: object, message: Item, count: int = 1, *, flag: bool = False, **options: Any) -> None: ...


def positional(socket: object, message: Item, /, count: int = 1) -> None: ...


HANDLERS = {
    "a method for its own socket": Chat.say,
    "async": Chat.later,
    "a static method": Chat.alone,
    "a class method": Chat.shared,
    "a callable": Chat(),
    "a bound method": Chat().bound,
    "wrapped": wrapped,
    "a partial": functools.partial(with_flag, True),
    "a partial with options": functools.partial(with_options, flag=True),
    "a partial of a callable": functools.partial(Chat()),
    "with options": with_options,
    "positional": positional,
}


@pytest.mark.parametrize("function", HANDLERS.values(), ids=HANDLERS)
def test_a_handler_may_be_any_callable(function: Callable[..., Any]) -> None:
    arguments = Arguments(function, "say")
    assert arguments.convert([{"price": 1}, 2]) == [Item(1.0), 2]
    assert refusal(arguments, {"price": "1"}).place == "$.price"
    assert str(refusal(arguments)) == "the event 'say' takes 1 to 2 arguments, 0 came: 'message' is missing"


def test_the_server_may_pass_more_or_fewer_arguments_of_its_own() -> None:
    def handler(a: str, b: int) -> None: ...

    assert Arguments(handler, "say", leading=0).convert(["a", 1]) == ["a", 1]
    assert Arguments(handler, "say", leading=1).convert([1]) == [1]
    assert Arguments(handler, "say", leading=2).convert([]) == []


def test_the_server_may_pass_its_own_through_the_rest() -> None:
    def handler(*args: int) -> None: ...

    error = refusal(Arguments(handler, "say"), 1, "2")
    assert (error.argument, error.place) == ("args", "$[1]")


def module(source: str) -> Any:
    """A module of its own, with annotations as text; its names are looked up in it."""
    made = types.ModuleType("made")
    code = compile(f"from __future__ import annotations\n{source}", "made.py", "exec", dont_inherit=True)
    types.FunctionType(code, vars(made))()
    return made


HEAD = """
import functools
from typing import TYPE_CHECKING
from msgspec import Struct
if TYPE_CHECKING:
    from waterspout import Socket
class Message(Struct):
    text: str
"""


@pytest.mark.parametrize(
    "source",
    [
        "def say(socket: Socket, message: Message, *rest: 'int | None') -> Nothing: ...",
        "class Chat:\n    def __call__(self, socket: Socket, message: Message, *rest: int | None): ...\nsay = Chat()",
        "def inner(a, socket: Socket, message: Message, *rest: int | None): ...\nsay = functools.partial(inner, 1)",
    ],
)
def test_annotations_may_be_text_and_those_of_the_socket_need_not_exist(source: str) -> None:
    made = module(HEAD + source)
    arguments = Arguments(made.say, "say")
    assert arguments.convert([{"text": "a"}, None, 1]) == [made.Message("a"), None, 1]
    assert refusal(arguments, {"text": 1}).place == "$.text"


def test_a_wrapper_elsewhere_does_not_hide_where_names_are_defined() -> None:
    made = module(HEAD + "def say(socket: Socket, message: Message): ...")
    wrapper = functools.wraps(made.say)(lambda *args: None)
    assert Arguments(wrapper, "say").convert([{"text": "a"}]) == [made.Message("a")]


# Handlers that nobody could call


def keyword(socket: Any, text: str, *, flag: bool) -> None: ...


def unpacked(socket: Any, *pair: *tuple[int, str]) -> None: ...


UNSERVABLE = [
    (lambda: None, "<lambda> cannot handle 'say': it takes 0 positional parameters, and the server itself passes 1"),
    (
        keyword,
        "keyword cannot handle 'say', parameter 'flag': it is keyword-only, and no client can pass it",
    ),
    (functools.partial(keyword, text="a"), "keyword cannot handle 'say', parameter 'flag'"),
    (unpacked, "unpacked cannot handle 'say', parameter 'pair': *tuple[int, str] is not supported"),
    (dict, "cannot handle 'say': its signature cannot be read"),
    (3, "3 cannot handle 'say': its signature cannot be read"),
]


@pytest.mark.parametrize(("function", "sentence"), UNSERVABLE)
def test_a_signature_that_cannot_be_served_is_refused_at_once(function: Any, sentence: str) -> None:
    with pytest.raises(TypeError) as caught:
        Arguments(function, "say")
    assert sentence in str(caught.value)


UNSUPPORTED = [
    (Custom, "a client cannot send a <class"),
    (list[Custom], "take a Struct, a dataclass or a builtin type"),
    (complex, "a client cannot send a <class 'complex'>"),
    (Callable[[], None], "a client cannot send a"),
    (msgspec.Raw, "a client cannot send a <class 'msgspec.Raw'>"),
    (Sized, "a client cannot send a <class"),
    (int | Custom, "msgspec cannot convert to it"),
    (Item | Order, "msgspec cannot convert to it"),
    (NoReturn, "msgspec cannot convert to it"),
    (3, "msgspec cannot convert to it"),
    (list[bytes | str], "msgspec cannot convert to it"),
    ("int |", "'int |' is not a type"),
    ("msgspec.Strukt", "'msgspec.Strukt' is not a type"),
    ("Missing", "'Missing' is not defined: define it before the handler"),
    ("list[Missing]", "define it before the handler"),
]


@pytest.mark.parametrize(("annotation", "sentence"), UNSUPPORTED)
def test_an_annotation_that_cannot_be_served_is_refused_at_once(annotation: Any, sentence: str) -> None:
    with pytest.raises(TypeError) as caught:
        taking(annotation)
    assert "cannot handle 'say', parameter 'value': " in str(caught.value)
    assert sentence in str(caught.value)


def test_a_struct_that_names_what_does_not_exist_is_refused_at_once() -> None:
    made = module("from msgspec import Struct\nclass Message(Struct):\n    a: Missing")
    with pytest.raises(
        TypeError, match=r"refers to a name that does not exist yet.*'Missing'.*define it before the handler"
    ):
        taking(made.Message)


UNDEFINED = [
    ([None], "message", " (which JavaScript's undefined becomes, too)"),
    ([{"price": 1}, None], "count", " (which JavaScript's undefined becomes, too: leave the argument out)"),
    (
        [{"price": 1}, 2, "a", None],
        "rest",
        ", at $[1] (which JavaScript's undefined becomes, too: leave the argument out)",
    ),
]


@pytest.mark.parametrize(("args", "name", "words"), UNDEFINED)
def test_who_sends_undefined_is_told_what_became_of_it(args: list[Any], name: str, words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Arguments(say, "say").convert(args)
    text = str(caught.value)
    assert text.startswith(f"the event 'say' does not take this as '{name}': ")
    assert text.endswith(words)
    assert "null" in text.removesuffix(words)


def test_null_within_an_argument_is_no_matter_of_undefined() -> None:
    with pytest.raises(ArgumentError) as caught:
        Arguments(say, "say").convert([{"price": None}])
    assert "undefined" not in str(caught.value)


def test_who_takes_none_gets_it_and_not_the_default() -> None:
    def handler(socket: Any, count: int | None = 7) -> None: ...

    assert Arguments(handler, "say").convert([None]) == [None]
    assert Arguments(handler, "say").convert([]) == []


# What is told about a handler


def test_a_handler_is_described() -> None:
    assert Arguments(say, "say").describe() == [
        {
            "name": "message",
            "required": True,
            "variadic": False,
            "schema": {
                "$ref": "#/$defs/Item",
                "$defs": {
                    "Item": {
                        "title": "Item",
                        "type": "object",
                        "properties": {"price": {"type": "number"}, "name": {"type": "string", "default": ""}},
                        "required": ["price"],
                    }
                },
            },
        },
        {"name": "count", "required": False, "variadic": False, "schema": {"type": "integer"}, "default": 1},
        {"name": "rest", "required": False, "variadic": True, "schema": {"type": "string"}},
    ]


def test_what_may_be_anything_has_an_empty_schema() -> None:
    described = Arguments(lambda socket, a, *rest: None, "say").describe()
    assert [one["schema"] for one in described] == [{}, {}]
    assert [one["name"] for one in described] == ["a", "rest"]


DEFAULTS = [
    (None, None), (True, True), (7, 7), (2**70, 2**70), (0.5, 0.5), ("x", "x"), ([1, ["a"]], [1, ["a"]]),
    ({"a": None}, {"a": None}), ({1: 2}, {"1": 2}), ((1, 2), [1, 2]), (Item(price=1.5), {"price": 1.5, "name": ""}),
    (Colour.RED, "red"), (date(2026, 1, 2), "2026-01-02"), (Decimal("1.50"), "1.50"),
]  # fmt: skip


@pytest.mark.parametrize(("default", "told"), DEFAULTS)
def test_a_default_is_described_as_json_has_it(default: object, told: object) -> None:
    def handler(socket: Any, a: Any = default) -> None: ...

    (described,) = Arguments(handler, "say").describe()
    assert described == {"name": "a", "required": False, "variadic": False, "schema": {}, "default": told}


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize("default", [b"", [b"a"], float("nan"), [float("inf")], object(), "\ud800", ENDLESS])
def test_a_default_that_json_cannot_say_is_left_out(default: object) -> None:
    def handler(socket: Any, a: Any = default) -> None: ...

    (described,) = Arguments(handler, "say").describe()
    assert described == {"name": "a", "required": False, "variadic": False, "schema": {}}


def test_attachments_are_described_as_binary() -> None:
    (described,) = taking(dict[str, list[bytes]]).describe()
    binary = {"type": "string", "format": "binary"}
    assert described["schema"] == {"type": "object", "additionalProperties": {"type": "array", "items": binary}}


@pytest.mark.parametrize("annotation", [annotation for annotation, _, _ in CONVERTED])
def test_everything_that_is_taken_is_described(annotation: Any) -> None:
    (described,) = taking(annotation).describe()
    assert msgspec.json.encode(described["schema"])


def test_a_default_that_json_cannot_carry_leaves_the_schema_empty() -> None:
    class Odd(Struct):
        a: object = object()

    assert taking(Odd).describe()[0]["schema"] == {}


# Any value at all

TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(["type", "a", "red", "P1D", "1", "NaN"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary() | st.just(10**4299),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("items", "by_name", "price", "name", "a", "x", "y", "value", "child", "radius", "type")
SHAPED = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES))
TYPES: list[tuple[Any, Any]] = [
    (str, str),
    (int, int),
    (float, float),
    (bool, bool),
    (bytes, bytes),
    (datetime, datetime),
    (timedelta, timedelta),
    (UUID, UUID),
    (Decimal, Decimal),
    (Colour, Colour),
    (Literal["red", 1, None], (str, int, type(None))),
    (Few[set[Any]], set),
    (Few[frozenset[Any]], frozenset),
    (dict[Any, Any], dict),
    (Few[dict[int, str]], dict),
    (tuple[int, ...], tuple),
    (int | str | None, (int, str, type(None))),
    (bytes | list[bytes], (bytes, list)),
    (Item, Item),
    (Order, Order),
    (Strict, Strict),
    (Checked, Checked),
    (Point, Point),
    (Person, dict),
    (Pair, Pair),
    (Tree, Tree),
    (Circle | Square, (Circle, Square)),
    (Annotated[str, Meta(pattern="^a+$", max_length=5)], str),
]
COMPILED = [(taking(annotation), kind) for annotation, kind in TYPES]


def outcome(arguments: Arguments, args: list[Any]) -> list[Any] | ArgumentError:
    try:
        return arguments.convert(args)
    except ArgumentError as error:
        return error


@given(VALUES | SHAPED)
def test_any_value_becomes_one_of_the_type_or_an_argument_error(value: Any) -> None:
    for arguments, kind in COMPILED:
        result = outcome(arguments, [value])
        if isinstance(result, ArgumentError):
            assert len(str(result)) < 350
            assert str(result).isascii()
            assert msgspec.json.encode(result.report)
        else:
            assert [isinstance(one, kind) for one in result] == [True]


def handler(socket: Any, first: int | str, second: list[Any] | None = None, *rest: float) -> None:
    assert isinstance(first, int | str)
    assert second is None or isinstance(second, list)
    assert all(isinstance(one, float) for one in rest)


CALLED = [handler, lambda socket, a, b=1: None, lambda socket, *rest: None, lambda socket: None]


@pytest.mark.parametrize("function", CALLED)
@given(args=st.lists(VALUES, max_size=5))
def test_a_handler_can_be_called_with_whatever_is_not_refused(function: Any, args: list[Any]) -> None:
    result = outcome(Arguments(function, "say"), args)
    if not isinstance(result, ArgumentError):
        function(None, *result)


@pytest.mark.parametrize("value", ["text", b"\x00", None, 1])
def test_a_union_with_bytes_takes_an_attachment_as_it_is(value: Any) -> None:
    def say(socket: Any, message: str | bytes | None) -> None: ...

    def keep(socket: Any, parts: list[bytes] | bytes) -> None: ...

    if value == 1:
        with pytest.raises(ArgumentError, match="does not take this as 'message'"):
            Arguments(say, "say").convert([value])
    else:
        assert Arguments(say, "say").convert([value]) == [value]
    assert Arguments(keep, "keep").convert([[b"a"]]) == [[b"a"]]
    assert Arguments(say, "say").describe()[0]["schema"]["anyOf"][-1] == {"type": "string", "format": "binary"}


# Hashes that clients can choose


class Tagged(Struct):
    tags: set[int] = set()


class Pixel(NamedTuple):
    x: int
    y: int


CHOSEN: list[Any] = [
    set[int],
    frozenset[int],
    set[UUID],
    set[Decimal],
    set[int | str],
    set[tuple[int, str]],
    set[Pixel],
    set[Any],
]
CHOSEN += [set, frozenset, dict[int, str], dict[UUID, str], dict[Decimal, str], list[set[int]], dict[str, set[int]]]
CHOSEN += [set[int] | None, set[int] | bytes, Tagged, Few[list[set[int]]], Few[set[frozenset[int]]]]


@pytest.mark.parametrize("annotation", CHOSEN, ids=str)
def test_sets_and_keys_whose_hashes_a_client_can_choose_are_bounded_or_refused(annotation: Any) -> None:
    def handler(socket: Any, tags: Any) -> None: ...

    handler.__annotations__["tags"] = annotation
    with pytest.raises(TypeError, match=r"'tags': .* collide: bound it, as in Annotated\[set\[int\], Meta"):
        Arguments(handler, "say")


@pytest.mark.parametrize("key", [UUID, Decimal])
@pytest.mark.parametrize("keyed", [True, False])
def test_a_bound_is_checked_before_anything_is_hashed(key: Any, keyed: bool) -> None:
    def handler(socket: Any, tags: Any) -> None: ...

    handler.__annotations__["tags"] = Annotated[dict[key, int] if keyed else set[key], Meta(max_length=3)]
    arguments = Arguments(handler, "say")
    few, many = ([str(UUID(int=number)) if key is UUID else str(number) for number in range(n)] for n in (3, 4))
    many.append("neither a number nor a UUID")  # which would be refused as such if it were looked at
    (taken,) = arguments.convert([dict.fromkeys(few, 1) if keyed else few])
    assert len(taken) == 3
    with pytest.raises(ArgumentError, match=r"\b3\b"):
        arguments.convert([dict.fromkeys(many, 1) if keyed else many])


@pytest.mark.parametrize("annotation", [set[str], dict[str, int], dict, set[bytes], set[Colour], list[int]], ids=str)
def test_what_clients_cannot_make_collide_needs_no_bound(annotation: Any) -> None:
    def handler(socket: Any, tags: Any) -> None: ...

    handler.__annotations__["tags"] = annotation
    assert Arguments(handler, "say").typed
