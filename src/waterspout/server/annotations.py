"""What the annotation of a handler's parameter asks of a client's value, in msgspec's terms.

Everything is refused at registration that would fail at every event, or only then turn out to be unknown: so no
client can be the first to find it.
"""

from collections.abc import Callable, Iterator
from functools import partial, reduce
from inspect import Parameter, signature
from operator import or_
from types import FunctionType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec import inspect as kinds

from ..wire.json import schema
from .constructors import check_constructor
from .models import Model, wants_pydantic

_ANYTHING = (Parameter.empty, Any, object)
_FROM_CLIENTS = (dict, list, str, int, float, bool, type(None), bytes)
_VALUES = (str, int, float, bytes, list, tuple, dict, set, frozenset, Struct, type(None))
_ONLY_ON_OTHER_WAYS = (kinds.RawType, kinds.ExtType)
_PREDICTABLE = (kinds.IntType, kinds.UUIDType, kinds.DecimalType)
_UNTOLD = (NameError, TypeError, ValueError)  # names for type checkers alone, what is no type, builtins
_BINARY = (kinds.BytesType, kinds.ByteArrayType, kinds.MemoryViewType)


class BytesOr:
    """A union with bytes in it, such as `str | bytes`: which it is, attachments themselves tell; msgspec does not."""

    __slots__ = ("other",)

    def __init__(self, other: Any) -> None:
        self.other = other


def innermost(function: Any) -> Any:
    """Return the function in partials, wrappers and callable objects, where the names of annotations are defined."""
    *_, function = layers(function)
    return function


def layers(function: Any) -> Iterator[Any]:
    """Walk from a function inwards, through partials, wrappers and callable objects; a wrapper of itself ends it."""
    seen: set[int] = set()
    while id(function) not in seen:
        seen.add(id(function))
        yield function
        if isinstance(function, partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif not isinstance(function, FunctionType) and isinstance(type(function).__call__, FunctionType):
            function = type(function).__call__
        else:
            return


def resolve(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return the type that an annotation means, or None for anything; TypeError, with the remedy, if it cannot be.

    What pydantic is to make is a `Model`.
    """
    kind = _meant(annotation, function)
    if kind is None:
        return None
    other = kind.other if isinstance(kind, BytesOr) else kind
    if wants_pydantic(other):
        model = Model(other)
        return BytesOr(model) if isinstance(kind, BytesOr) else model
    _check(other)
    return kind


def has_binary(kind: Any) -> bool:
    """Tell whether a type has a place for an attachment, beside a union's own."""
    if isinstance(kind, BytesOr):
        kind = kind.other
    if isinstance(kind, Model):
        return False  # which takes attachments as they come
    return any(isinstance(part, _BINARY) for part in _parts(kinds.type_info(kind)))


def describe(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type (None: anything); empty, so anything, where JSON Schema cannot say it.

    A place for an attachment is `{"type": "string", "format": "binary"}`.
    """
    if kind is None:
        return {}
    if isinstance(kind, BytesOr):
        return {"anyOf": [describe(kind.other), {"type": "string", "format": "binary"}]}
    try:
        if isinstance(kind, Model):
            return kind.describe()
        found: dict[str, Any] = _with_attachments(schema(kind, lambda _: {}))
    except TypeError:
        return {}
    return found


def describe_result(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON Schema of what a function says that it returns; empty where it does not say, or JSON cannot.

    An `async def` says what comes of it. Nothing is refused: what is returned is not checked.
    """
    try:
        return describe(_meant(signature(function).return_annotation, function))
    except _UNTOLD:
        return {}


def _meant(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return the type that an annotation means, or None for anything; TypeError for what is no type."""
    if not any(annotation is one for one in _ANYTHING):
        annotation = evaluate(annotation, function)
    if any(annotation is one for one in _ANYTHING) or isinstance(annotation, TypeVar):
        return None
    others = [one for one in get_args(annotation) if one is not bytes]
    is_union = isinstance(annotation, UnionType) or get_origin(annotation) is Union
    return BytesOr(reduce(or_, others)) if is_union and len(others) < len(get_args(annotation)) else annotation


def is_value(annotation: Any) -> bool:
    """Tell whether a type is certainly one of values that clients send; no class of sockets can derive from one."""
    kind = get_origin(annotation)
    if kind is Annotated:
        return is_value(get_args(annotation)[0])
    if kind in (Union, UnionType):
        return all(map(is_value, get_args(annotation)))
    kind = annotation if kind is None else kind
    return kind is Literal or (isinstance(kind, type) and issubclass(kind, _VALUES))


def evaluate(annotation: Any, function: Callable[..., Any]) -> Any:
    """Look up what stands in quotes, or everything under `from __future__ import annotations`; else TypeError."""
    names = getattr(innermost(function), "__globals__", {})
    if getattr(annotation, "__unpacked__", False):
        raise TypeError(f"{annotation!r} is not supported: annotate *args with the type of each argument")
    try:
        holder = SimpleNamespace(__annotations__={"it": annotation})
        return get_type_hints(holder, globalns=names, include_extras=True)["it"]
    except NameError as error:
        raise TypeError(f"{error}: {_REMEDY}") from error
    except (AttributeError, SyntaxError, TypeError) as error:
        raise TypeError(f"{annotation!r} is not a type ({error})") from error


_REMEDY = "define it before the handler, at the top of a module, and not under TYPE_CHECKING only"


def _check(kind: Any) -> None:
    """Raise TypeError for a type that msgspec cannot make of JSON."""
    try:
        info = kinds.type_info(kind)
    except NameError as error:
        raise TypeError(f"{kind!r} refers to a name that does not exist yet ({error}): {_REMEDY}") from error
    except TypeError as error:
        raise TypeError(f"msgspec cannot convert to it: {error}") from error
    for part in _parts(info, required=True):
        if isinstance(part, _ONLY_ON_OTHER_WAYS) or (isinstance(part, kinds.CustomType) and not _may_come(part.cls)):
            name = getattr(part, "cls", kind)
            raise TypeError(f"a client cannot send a {name!r}: take a Struct, a dataclass or a builtin type")
    for part in _parts(info):
        check_constructor(part)
    _check_hashes(info, kind)


def _check_hashes(info: kinds.Type, kind: Any) -> None:
    """Raise TypeError for sets and dictionaries without a limit whose hashes clients can choose.

    Numbers that are equal modulo 2**61 - 1 have one hash in Python, and so have UUIDs of such numbers: 6,000 of them
    in a set take a second. The hashes of strings are seeded. msgspec counts before it builds.
    """
    for part in _parts(info):
        hashed = _hashed(part)
        if hashed is None or part.max_length is not None:
            continue
        found = next((one for one in _parts(hashed) if isinstance(one, _PREDICTABLE) or _is_mixed(one, part)), None)
        if found is not None:
            what = "keys" if isinstance(part, kinds.DictType) else "items"
            name = type(found).__name__.removesuffix("Type")
            remedy = "bound it, as in Annotated[set[int], Meta(max_length=1000)], or take a list"
            raise TypeError(f"{kind!r} has {what} ({name}) whose hashes a client can make collide: {remedy}")


def _hashed(part: Any) -> kinds.Type | None:
    """Return the type of what is hashed: the items of a set, the keys of a dictionary."""
    if isinstance(part, kinds.SetType | kinds.FrozenSetType):
        return part.item_type
    return part.key_type if isinstance(part, kinds.DictType) else None


def _is_mixed(part: Any, holder: Any) -> bool:
    """Tell whether numbers may be among the items of a set of anything; keys of anything come as strings."""
    return isinstance(part, kinds.AnyType) and not isinstance(holder, kinds.DictType)


def _may_come(cls: Any) -> bool:
    """Tell whether some value of a client is an instance as it is: of an abstract class such as numbers.Real."""
    try:
        return any(issubclass(one, cls) for one in _FROM_CLIENTS)
    except TypeError:
        return False


def _parts(root: kinds.Type, *, required: bool = False) -> Iterator[Any]:
    """Walk through a type, which may contain itself; with `required`, past the fields that may be absent."""
    seen: set[int] = set()
    stack: list[Any] = [root]
    while stack:
        part = stack.pop()
        if isinstance(part, tuple):
            stack.extend(part)
        elif isinstance(part, kinds.Type | kinds.Field) and id(part) not in seen:
            seen.add(id(part))
            yield part
            if not required or getattr(part, "required", True):
                stack.extend(getattr(part, name) for name in part.__struct_fields__)


def _with_attachments(found: Any) -> Any:
    """Say "binary" where msgspec would have base64: bytes come as they are."""
    if isinstance(found, list):
        return [_with_attachments(one) for one in found]
    if not isinstance(found, dict):
        return found
    mended = {key: _with_attachments(value) for key, value in found.items()}
    if mended.get("contentEncoding") == "base64":
        del mended["contentEncoding"]
        mended["format"] = "binary"
    return mended
