"""Classes whose own constructors say more than their fields do: none of them is filled in past its checks."""

from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import pytest
from msgspec import Struct, StructMeta

from waterspout.errors import ArgumentError
from waterspout.server.arguments import Arguments

T = TypeVar("T")


@dataclass
class WithInit:
    x: int

    def __init__(self, x: int) -> None:
        self.x = abs(x)


@dataclass(init=False)
class WithoutInit:
    x: int

    def __init__(self, x: int) -> None:
        self.x = abs(x)


@dataclass
class WithNew:
    x: int

    def __new__(cls, *args: Any, **fields: Any) -> "WithNew":
        return super().__new__(cls)


@dataclass
class WithSetattr:
    x: int

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, abs(value))


class Inherited(WithInit):
    pass


@dataclass
class WithFixedField:
    x: int
    y: int = field(init=False, default=1)


@dataclass
class WithInitVar:
    x: int
    y: InitVar[int]


@attrs.define
class Converted:
    x: int = attrs.field(converter=abs)


@attrs.define
class WithAttrsInit:
    x: int

    def __init__(self, x: int) -> None:
        self.__attrs_init__(abs(x))  # type: ignore[attr-defined]  # which attrs makes


@attrs.define
class WithFixedAttribute:
    x: int
    y: int = attrs.field(init=False, default=1)


class Plain(NamedTuple):
    x: int


class TupleWithNew(Plain):
    def __new__(cls, x: int) -> "TupleWithNew":
        return super().__new__(cls, abs(x))


class TupleWithInit(namedtuple("Untyped", "x")):
    def __init__(self, x: int) -> None:
        assert x > 0


class Checking(type):
    def __call__(cls, x: int) -> Any:
        assert x > 0
        return super().__call__(x)


class CheckingStructs(StructMeta):
    def __call__(self, *args: Any, **fields: Any) -> Any:
        return super().__call__(*args, **fields)


class Registering(type):  # which says nothing of calls
    pass


@dataclass
class Called(metaclass=Checking):
    x: int


@attrs.define
class CalledAttrs(metaclass=Checking):
    x: int


class CalledTuple(Plain, metaclass=Checking):
    pass


class CalledStruct(Struct, metaclass=CheckingStructs):
    x: int


@dataclass
class Registered(metaclass=Registering):
    x: int


class Holder(Struct):
    found: list[WithInit] | None = None


REFUSED = [
    (WithInit, "WithInit has its own __init__, which would not run: check in __post_init__, which does"),
    (WithoutInit, "WithoutInit has its own __init__, which would not run: check in __post_init__, which does"),
    (WithNew, "WithNew has its own __new__, which would not run: check in __post_init__, which does"),
    (WithSetattr, "WithSetattr has its own __setattr__, which would not run: check in __post_init__, which does"),
    (Inherited, "Inherited has its own __init__"),
    (WithFixedField, "the field 'y' with init=False, which a client could fill: make it a property"),
    (WithInitVar, "`InitVar` fields are not supported"),
    (Converted, "a converter for 'x', which would not run: convert in __attrs_post_init__, which does"),
    (WithAttrsInit, "its own __init__, which would not run: check in __attrs_post_init__, which does"),
    (WithFixedAttribute, "the field 'y' with init=False"),
    (TupleWithNew, "its own __new__, which would not run: take a dataclass, and check in its __post_init__"),
    (TupleWithInit, "its own __init__, which would not run: take a dataclass"),
    (Called, "Called has its own __call__ in its metaclass, which would not run: check in __post_init__, which does"),
    (CalledAttrs, "its own __call__ in its metaclass, which would not run: check in __attrs_post_init__, which does"),
    (CalledTuple, "its own __call__ in its metaclass, which would not run: take a dataclass, and check in its __post"),
    (CalledStruct, "its own __call__ in its metaclass, which would not run: check in __post_init__, which does"),
    (dict[str, list[WithInit]], "WithInit has its own __init__"),
    (Holder, "WithInit has its own __init__"),
    (WithInit | bytes, "WithInit has its own __init__"),
]


def taking(annotation: Any) -> Arguments:
    def handler(socket: Any, value: Any) -> None: ...

    handler.__annotations__["value"] = annotation
    return Arguments(handler, "say")


@pytest.mark.parametrize(("annotation", "sentence"), REFUSED)
def test_a_class_whose_constructor_would_not_run_is_refused_at_registration(annotation: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match="cannot handle 'say', parameter 'value': ") as caught:
        taking(annotation)
    assert sentence in str(caught.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    x: int


@dataclass(frozen=True, kw_only=True)
class Child(Frozen):
    y: int = 0


@dataclass
class Boxed(Generic[T]):
    x: T


@dataclass
class Failure(ValueError):
    x: int


@dataclass
class Property:
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


@attrs.define
class Defined:
    x: int = attrs.field(validator=attrs.validators.ge(0))


@attrs.frozen
class FrozenAttrs:
    x: int


@dataclass(init=False)
class Bare:
    x: int


KINDS = [Frozen, Child, Boxed[int], Failure, Property, Defined, FrozenAttrs, Bare, Registered]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_class_of_fields_is_taken(kind: Any) -> None:
    (made,) = taking(kind).convert([{"x": 5}])
    assert made.x == 5
    with pytest.raises(ArgumentError):
        taking(kind).convert([{"x": "5"}])


@pytest.mark.parametrize("kind", [Plain, namedtuple("Untyped", "x")])
def test_a_tuple_of_names_is_taken(kind: Any) -> None:
    assert taking(kind).convert([[5]]) == [kind(5)]


@pytest.mark.parametrize("kind", [Property, Defined])
def test_the_checks_that_run_refuse_what_they_forbid(kind: Any) -> None:
    with pytest.raises(ArgumentError):
        taking(kind).convert([{"x": -5}])
