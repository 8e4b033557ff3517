"""Pydantic's types as annotations: validated by pydantic, and told to clients as all other mismatches are."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import annotated_types
import pydantic
import pydantic_core
import pytest
from msgspec import Meta, Struct
from pydantic import AfterValidator, BaseModel, Field, PositiveInt, RootModel

from waterspout import Server, Socket
from waterspout.errors import ArgumentError
from waterspout.server.arguments import Arguments
from waterspout.testing import Pair


class Line(BaseModel):
    article: str = Field(max_length=10)
    count: int = Field(ge=1, le=10)
    due: date | None = None

    @pydantic.field_validator("article")
    @classmethod
    def check(cls, article: str) -> str:
        if article == "rum":
            raise ValueError("not sold here")
        if article == "bug":
            raise KeyError("a secret")
        return article.strip()


class Basket(BaseModel):
    lines: list[Line]
    notes: dict[str, Line] = {}


@pydantic.dataclasses.dataclass
class Order:
    quantity: int = Field(ge=1, le=10)


class Names(RootModel[list[str]]):
    pass


class Strict(BaseModel, extra="forbid"):
    pass


class Picture(BaseModel):
    content: bytes


def even(value: int) -> int:
    if value % 2:
        raise ValueError("odd")
    return value


def taking(annotation: Any) -> Arguments:
    def handler(socket: Any, value: Any) -> None: ...

    handler.__annotations__["value"] = annotation
    return Arguments(handler, "say")


TEA: dict[str, Any] = {"article": " tea ", "count": 2}

TAKEN: list[tuple[Any, Any, Any]] = [
    (Line, TEA, Line(article="tea", count=2)),
    (Line, {**TEA, "due": "2026-07-27"}, Line(article="tea", count=2, due=date(2026, 7, 27))),
    (list[Line], [TEA], [Line(article="tea", count=2)]),
    (Line | None, None, None),
    (dict[str, Line], {"a": TEA}, {"a": Line(article="tea", count=2)}),
    (Order, {"quantity": 3}, Order(3)),
    (list[Order], [{"quantity": 3}], [Order(3)]),
    (Names, ["a"], Names(["a"])),
    (PositiveInt, 3, 3),
    (Annotated[int, annotated_types.Ge(1)], 3, 3),
    (Annotated[int, AfterValidator(even)], 4, 4),
    (Picture, {"content": b"\xff"}, Picture(content=b"\xff")),
    (Line | bytes, b"\xff", b"\xff"),
    (Line | bytes, TEA, Line(article="tea", count=2)),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), TAKEN)
def test_pydantic_makes_the_value(annotation: Any, value: Any, expected: Any) -> None:
    assert taking(annotation).convert([value]) == [expected]


REFUSED = [
    (Line, {**TEA, "count": 11}, "Input should be less than or equal to 10, got 11", "$.count"),
    (Line, {"count": 2}, "Field required", "$.article"),
    (Line, {**TEA, "article": "rum"}, 'Value error, not sold here, got "rum"', "$.article"),
    (Line, "tea", 'Input should be a valid dictionary or instance of Line, got "tea"', "$"),
    (Line, {**TEA, "article": "bug"}, "it cannot be converted (KeyError)", "$"),
    (
        Basket,
        {"lines": [TEA, {"article": "tea", "count": None}]},
        "Input should be a valid integer",
        "$.lines[1].count",
    ),
    (Basket, {"lines": [], "notes": {"their key": {}}}, "Field required", "$.notes[...].article"),
    (Order, {"quantity": -5}, "Input should be greater than or equal to 1, got -5", "$.quantity"),
    (list[Order], [{"quantity": 1}, {}], "Field required", "$[1].quantity"),
    (PositiveInt, -1, "Input should be greater than 0, got -1", "$"),
    (Annotated[int, AfterValidator(even)], 3, "Value error, odd, got 3", "$"),
    (Line | bytes, 3, "Input should be a valid dictionary or instance of Line, got 3", "$"),
    (Strict, {str(number): 0 for number in range(101)}, "101 of its values do not fit", "$"),
]


@pytest.mark.parametrize(("annotation", "value", "detail", "place"), REFUSED)
def test_a_mismatch_says_what_is_wrong_what_came_and_where(
    annotation: Any, value: Any, detail: str, place: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        taking(annotation).convert([value])
    where = "" if place == "$" else f", at {place}"
    assert str(caught.value) == f"the event 'say' does not take this as 'value': {detail}{where}"
    assert (caught.value.argument, caught.value.place) == ("value", place)


SEEN: list[object] = []


def refuse(value: object) -> object:
    SEEN.append(value)
    raise ValueError("no")


Wrong = Annotated[int, pydantic.BeforeValidator(refuse)]


class Within(BaseModel):
    default: list[Wrong]  # and the field's name is one that has a meaning in pydantic's schemas


class Otherwise(BaseModel):
    deep: dict[str, list[Wrong]]


@pydantic.dataclasses.dataclass
class WithinDataclass:
    items: list[Within | Otherwise]


WHOLE: Any = {"type": "int"}
FAIL_FAST: dict[str, tuple[Any, Any]] = {
    "list": ({"type": "list", "items_schema": WHOLE, "fail_fast": True}, ["x"] * 9),
    "dict": ({"type": "dict", "values_schema": WHOLE, "fail_fast": True}, dict.fromkeys("abcdefghi", "x")),
}


def stops(kind: str) -> bool:
    """Tell whether this version of pydantic stops at the first fault in nodes of this kind; others ignore the wish."""
    schema, value = FAIL_FAST[kind]
    try:
        pydantic_core.SchemaValidator(schema).validate_python(value)
    except pydantic_core.ValidationError as error:
        return error.error_count() == 1
    raise AssertionError(value)


STOPS = set(filter(stops, FAIL_FAST))  # lists from 2.8 on, dictionaries from 2.12 on
if "list" in STOPS and tuple(map(int, pydantic.VERSION.split(".")[:2])) not in ((2, 11), (2, 12)):
    STOPS.add("model")  # these two use the validators of nested models, which do not stop
ITEMS = [str(number) for number in range(5000)]
MANY_FAULTS = [
    (list[Wrong], ITEMS, "list"),
    (tuple[Wrong, ...], ITEMS, "list"),
    (Annotated[set[Wrong], Field(max_length=10_000)], ITEMS, "list"),
    (Annotated[frozenset[Wrong], Field(max_length=10_000)], ITEMS, "list"),
    (dict[str, Wrong], dict.fromkeys(ITEMS, 1), "dict"),
    (Within, {"default": ITEMS}, "list"),
    (list[Within], [{"default": ITEMS}] * 3, "model"),
    (list[list[Within | Otherwise]], [[{"default": ITEMS}] * 3] * 3, "model"),
    (WithinDataclass, {"items": [{"default": ITEMS}] * 3}, "model"),
    (Otherwise, {"deep": {"a": ITEMS, "b": ITEMS}}, "dict"),
]


@pytest.mark.parametrize(("annotation", "value", "kind"), MANY_FAULTS)
def test_of_many_items_that_do_not_fit_one_is_looked_at(annotation: Any, value: Any, kind: str) -> None:
    def handle(socket: Socket, value: Any) -> None: ...

    handle.__annotations__["value"] = annotation
    SEEN.clear()
    with pytest.raises(ArgumentError) as caught:
        Arguments(handle, "event").convert([value])
    assert caught.value.place.startswith("$")
    if kind in STOPS:
        assert len(SEEN) == 1
        fault: Any = caught.value.__cause__
        assert fault.__cause__.error_count() <= 2  # a union has one of each of its members


@pytest.mark.parametrize("text", ["x" * 1000, "é\n\x1b[31m" * 100])
def test_a_sentence_holds_little_of_what_came_and_only_in_ascii(text: str) -> None:
    for value in ({"article": text, "count": 1}, {text: 1}, {"article": "a", "count": text}):
        with pytest.raises(ArgumentError) as caught:
            taking(Line).convert([value])
        assert len(str(caught.value)) < 300
        assert str(caught.value).isascii()
        assert str(caught.value).isprintable()


def test_a_client_is_answered_as_with_any_other_annotation(server: Server, client: dict[str, Any]) -> None:
    heard: list[Any] = []
    errors: list[Any] = []
    server.on_error(lambda socket, event, error: errors.append(error))

    @server.on("order")
    def order(socket: Socket, order: Order, count: int = 1) -> int:
        heard.append(order)
        return order.quantity * count

    pair = Pair(server, **client)
    pair.peer.emit("order", {"quantity": 2}, 3, id=1)
    pair.peer.emit("order", {"quantity": -5}, id=2)
    answers = pair.peer.acks()
    assert answers[1] == 6
    assert answers[2]["error"] == {
        "event": "order",
        "argument": "order",
        "place": "$.quantity",
        "message": "the event 'order' does not take this as 'order': "
        "Input should be greater than or equal to 1, got -5, at $.quantity",
    }
    assert heard == [Order(2)]
    assert [type(error) for error in errors] == [ArgumentError]


class Outer(Struct):
    line: Line


@dataclass
class Holder:
    order: list[Order]


class Deep(Struct):
    holder: Holder | None = None


@dataclass
class Counted:
    count: PositiveInt


@dataclass
class WithInit:
    x: int

    def __init__(self, x: int) -> None:
        self.x = abs(x)


class CheckingModels(type(BaseModel)):  # type: ignore[misc]
    def __call__(cls, **fields: Any) -> Any:
        return super().__call__(**fields)


class CalledModel(BaseModel, metaclass=CheckingModels):
    x: int


class Checking(type):
    def __call__(cls, x: int) -> Any:
        return super().__call__(x)


@dataclass
class Called(metaclass=Checking):
    x: int


@pydantic.dataclasses.dataclass
class CalledOrder(metaclass=Checking):
    x: int


class Gathered(BaseModel):
    ids: set[int]


class Keyed(BaseModel):
    by_id: dict[UUID, str]


class Mixed(BaseModel):
    things: frozenset[str | Any]


UNSUPPORTED = [
    (Outer, "the field 'line' of Outer is for pydantic, which does not validate a Outer: make that a pydantic model"),
    (Holder, "the field 'order' of Holder is for pydantic"),
    (list[Deep], "the field 'order' of Holder is for pydantic"),
    (Counted, "the field 'count' of Counted is for pydantic"),
    (Annotated[list[Line], Meta(max_length=3)], "pydantic does not know msgspec.Meta"),
    (Line | Outer, "pydantic cannot convert to it: Unable to generate pydantic-core schema"),
    (list[Line | WithInit], "WithInit has its own __init__, which pydantic would not run: check in __post_init__"),
    (
        list[CalledModel],
        "CalledModel has its own __call__ in its metaclass, which pydantic would not run: check in a val",
    ),
    (
        CalledOrder,
        "CalledOrder has its own __call__ in its metaclass, which pydantic would not run: check in a validator",
    ),
    (
        list[Line | Called],
        "Called has its own __call__ in its metaclass, which pydantic would not run: check in __post",
    ),
    (Gathered, "has items (int) whose hashes a client can make collide: bound it with pydantic.Field(max_length=1000)"),
    (Keyed, "has keys (uuid) whose hashes"),
    (Mixed, "has items (any) whose hashes"),
    (set[PositiveInt], "has items (int) whose hashes"),
]


@pytest.mark.parametrize(("annotation", "sentence"), UNSUPPORTED)
def test_what_would_be_unchecked_is_refused_at_registration(annotation: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match="cannot handle 'say', parameter 'value': ") as caught:
        taking(annotation)
    assert sentence in str(caught.value)


class Bounded(BaseModel):
    ids: set[int] = Field(max_length=3)
    names: set[str] = set()
    anything: dict[Any, Any] = {}
    parent: "Bounded | None" = None


def test_what_is_bounded_or_has_no_hashes_to_choose_is_taken() -> None:
    made = taking(Bounded).convert([{"ids": [1, 2], "names": ["a"], "anything": {"a": 1}, "parent": {"ids": []}}])
    assert made == [Bounded(ids={1, 2}, names={"a"}, anything={"a": 1}, parent=Bounded(ids=set()))]
    with pytest.raises(ArgumentError, match="at most 3 items"):
        taking(Bounded).convert([{"ids": [1, 2, 3, 4]}])


def test_a_model_is_described() -> None:
    (described,) = taking(Order).describe()
    assert described["schema"]["properties"]["quantity"] == {
        "maximum": 10,
        "minimum": 1,
        "title": "Quantity",
        "type": "integer",
    }
    (described,) = taking(Line | bytes).describe()
    assert described["schema"]["anyOf"][1] == {"type": "string", "format": "binary"}


def test_without_pydantic_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(TypeError, match="pydantic 2 is not installed: install it, or take a Struct"):
        taking(Annotated[int, annotated_types.Ge(1)])


def test_pydantic_is_imported_by_no_other_annotation() -> None:
    program = """
import sys
from dataclasses import dataclass
from waterspout import Server
@dataclass
class Point:
    x: int
server = Server()
@server.on("say")
def say(socket, point: Point, *more: list[int] | None): ...
print(sorted(sys.modules.keys() & {"pydantic", "pydantic_core", "attrs", "attr"}))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == "[]\n", run.stderr
