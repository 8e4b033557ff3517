"""Pydantic's types as annotations: models, its dataclasses, and its constraints beside another type.

Pydantic is no dependency. It is imported when the first annotation asks for it, and then validates the whole parameter:
what msgspec would make of such a type would be unchecked, or nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from .constructors import CALL, has_own_call, own_method

_ITS_OWN = ("pydantic", "pydantic_core", "annotated_types")  # modules of what stands in Annotated
_SETS = ("set", "frozenset")
_PREDICTABLE = frozenset(("any", "int", "float", "complex", "decimal", "uuid"))  # see annotations.py
_MANY = ("list", "tuple", "set", "frozenset", "dict")  # what may hold as many faults as a client likes
_LITERAL = ("default", "metadata")  # keys of a core schema's node behind which no schema stands
_FEW = 100  # faults that are looked at: to list 250,000 takes half a second, to count them a tenth of that
_INSTALL = "pydantic 2 is not installed: install it, or take a Struct, and msgspec.Meta for constraints"


class Mismatch(ValueError):
    """What pydantic has against a value: the first fault, where it is, and what stands there."""

    def __init__(self, detail: str, place: str = "$", value: object = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.place = place
        self.value = value


class Model:
    """A type that pydantic makes of what a client sends; TypeError for one that it cannot make."""

    __slots__ = ("_adapter", "_refusal", "_validate")

    def __init__(self, annotation: Any) -> None:
        pydantic = _pydantic()
        try:
            self._adapter = pydantic.TypeAdapter(annotation)
            schema = self._adapter.core_schema
        except pydantic.errors.PydanticUserError as error:
            reason = str(error).partition("\n")[0]
            raise TypeError(f"pydantic cannot convert to it: {reason}") from error
        self._validate = _hurried(schema)
        self._refusal = pydantic.ValidationError
        _check_calls(schema, pydantic.BaseModel)
        _check_hashes(schema, annotation)

    def convert(self, value: Any) -> Any:
        """Return what pydantic makes of a value; Mismatch for what it refuses, else what a user's own check raises."""
        try:
            return self._validate(value)
        except self._refusal as error:
            count = error.error_count()
            if count > _FEW:
                raise Mismatch(f"{count} of its values do not fit") from error
            first = error.errors(include_url=False, include_context=False)[0]
            raise Mismatch(first["msg"], "$" + "".join(map(_step, first["loc"])), first["input"]) from error

    def describe(self) -> dict[str, Any]:
        """Return the JSON Schema; TypeError for what has none."""
        pydantic = _pydantic()
        try:
            found: dict[str, Any] = self._adapter.json_schema()
        except pydantic.errors.PydanticUserError as error:
            raise TypeError(str(error)) from error
        return found


def wants_pydantic(annotation: Any) -> bool:
    """Tell whether a type, as it is written, has something in it that pydantic alone checks.

    TypeError where that is only in a field of something else, which msgspec would fill; or is beside a `Meta`.
    """
    parts = list(_parts(annotation))
    if any(map(_is_its_own, parts)):
        if any(isinstance(one, msgspec.Meta) for one in parts):
            raise TypeError("pydantic does not know msgspec.Meta, which stands in it: write pydantic.Field")
        return True
    for one in parts:
        found = _find_within(one, set())
        if found is not None:
            holder, name = found
            raise TypeError(
                f"the field {name!r} of {holder.__qualname__} is for pydantic, which does not validate a "
                f"{holder.__qualname__}: make that a pydantic model, too"
            )
    return False


def _parts(annotation: Any) -> Iterator[Any]:
    """Walk through a type as it is written: what stands in its brackets, in its Annotated, behind its name."""
    stack, seen = [annotation], list[Any]()
    while stack:
        one = stack.pop()
        if any(one is known for known in seen):
            continue
        seen.append(one)
        yield one
        stack.extend(getattr(one, "__metadata__", ()))
        if not isinstance(one, type) and hasattr(one, "__value__"):  # what `type X = ...` makes
            stack.append(one.__value__)
        if get_origin(one) is not None:
            stack.extend([get_origin(one), *get_args(one)])


def _is_its_own(part: Any) -> bool:
    if isinstance(part, type):
        return hasattr(part, "__get_pydantic_core_schema__") or _is_its_dataclass(part)
    return hasattr(part, "__get_pydantic_core_schema__") or type(part).__module__.partition(".")[0] in _ITS_OWN


def _is_its_dataclass(cls: type) -> bool:
    """Tell whether a class is a dataclass of pydantic's, or inherits from one; a model is one of these, too."""
    return hasattr(cls, "__pydantic_validator__")


def _find_within(kind: Any, seen: set[type]) -> tuple[type, str] | None:
    """Find a field of a class that msgspec fills, or of what is in it, that is for pydantic."""
    if not isinstance(kind, type) or kind in seen or not _has_fields(kind):
        return None
    seen.add(kind)
    try:
        hints = get_type_hints(kind, include_extras=True)
    except (AttributeError, NameError, SyntaxError, TypeError):  # as in annotations.py; msgspec says so next
        return None
    for name, hint in hints.items():
        for one in _parts(hint):
            found = (kind, name) if _is_its_own(one) else _find_within(one, seen)
            if found is not None:
                return found
    return None


def _has_fields(kind: type) -> bool:
    if is_dataclass(kind) or hasattr(kind, "__struct_fields__") or hasattr(kind, "__attrs_attrs__"):
        return True
    return is_typeddict(kind) or (issubclass(kind, tuple) and "_fields" in dir(kind))


def _hurried(schema: Any) -> Callable[[Any], Any]:
    """Return a validator that stops at the first item that does not fit.

    Else a megabyte of what does not fit has 500,000 faults, which take a second and 350 MB. Before 2.8 pydantic ignores
    this wish, and before 2.12 it does so for dictionaries. The validators that models keep (prebuilt, from 2.11 on) go
    through to the end, and only from 2.13 on it can be told not to use them.
    """
    from pydantic_core import SchemaValidator

    has_prebuilt = "_use_prebuilt" in (SchemaValidator.__text_signature__ or "")
    options: dict[str, Any] = {"_use_prebuilt": False} if has_prebuilt else {}
    found: Callable[[Any], Any] = SchemaValidator(_fail_fast(schema), **options).validate_python
    return found


def _fail_fast(schema: Any) -> Any:
    """Return a copy of a core schema in which the nodes that hold many stop at their first fault."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(_fail_fast, schema))
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    literal = _LITERAL if isinstance(kind, str) else ()  # else these are names of fields
    copy = {key: one if key in literal else _fail_fast(one) for key, one in schema.items()}
    return {**copy, "fail_fast": True} if kind in _MANY else copy


def _check_calls(schema: Any, model: type) -> None:
    """Raise TypeError for a class with a check that only a call of it would run: pydantic does not call it.

    It runs the `__init__` of models and of its own dataclasses, of others `__post_init__` alone.
    """
    for part in _nodes(schema):
        cls = part.get("cls")
        if part.get("type") not in ("dataclass", "model") or not isinstance(cls, type):
            continue
        name, remedy = None, "check in __post_init__, or make it a pydantic model"
        if not _is_its_dataclass(cls):
            name = own_method(cls)
        elif has_own_call(cls) and type(cls).__call__ is not type(model).__call__:
            name, remedy = CALL, "check in a validator"
        if name is not None:
            raise TypeError(f"{cls.__qualname__} has its own {name}, which pydantic would not run: {remedy}")


def _check_hashes(schema: Any, annotation: Any) -> None:
    """Raise TypeError for sets and dictionaries without a limit whose hashes clients can choose; see annotations.py."""
    for part in _nodes(schema):
        hashed = _hashed(part)
        if hashed is not None and part.get("max_length") is None:
            found = next((one["type"] for one in _nodes(hashed) if one.get("type") in _PREDICTABLE), None)
            if found is not None:
                what = "keys" if part["type"] == "dict" else "items"
                remedy = "bound it with pydantic.Field(max_length=1000), or take a list"
                raise TypeError(f"{annotation!r} has {what} ({found}) whose hashes a client can make collide: {remedy}")


def _hashed(part: dict[str, Any]) -> Any:
    """Return the schema of what is hashed; keys of anything come as strings."""
    if part.get("type") in _SETS:
        return part.get("items_schema", {"type": "any"})
    keys = part.get("keys_schema") if part.get("type") == "dict" else None
    return None if keys is None or keys.get("type") == "any" else keys


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Walk through the tree that pydantic calls its core schema."""
    stack, seen = [schema], set[int]()
    while stack:
        one = stack.pop()
        if isinstance(one, dict) and id(one) not in seen:
            seen.add(id(one))
            yield one
            stack.extend(one.values())
        elif isinstance(one, list | tuple):
            stack.extend(one)


def _step(name: int | str) -> str:
    """Write one step of a place; what is no name may be a key that a client has chosen."""
    return f"[{name}]" if isinstance(name, int) else f".{name}" if name.isidentifier() else "[...]"


def _pydantic() -> ModuleType:
    try:
        import pydantic
    except ImportError as error:
        raise TypeError(_INSTALL) from error
    if not hasattr(pydantic, "TypeAdapter"):
        raise TypeError(_INSTALL)
    return pydantic
