"""Classes that msgspec fills in field by field, and whose own constructors would say more than their fields do.

It makes dataclasses, attrs classes and named tuples without calling them: only `__post_init__` runs, and of attrs
`__attrs_pre_init__`, validators and `__attrs_post_init__`. What a class checks or changes elsewhere would be passed by.
"""

import dataclasses
from types import BuiltinFunctionType, FunctionType, WrapperDescriptorType
from typing import Any, get_origin

from msgspec import inspect as kinds

CALL = "__call__ in its metaclass"
_BY_DATACLASSES = "__create_fn__."
_BY_ATTRS = "<attrs generated "
_ATTRS = "attr._make"  # the module whose closures attrs puts into classes


def check_constructor(part: Any) -> None:
    """Raise TypeError, with the remedy, for a class whose own checks would not run; `part` may be any type."""
    read = _READERS.get(type(part))
    if read is None:
        return
    cls = get_origin(part.cls) or part.cls
    reason = read(cls)
    if reason is not None:
        raise TypeError(f"{cls.__qualname__} {reason}")


def _of_tuple(cls: type) -> str | None:
    for name in ("__new__", "__init__"):
        owner = _owner(cls, name)
        if owner not in (object, tuple) and "_make" not in owner.__dict__:
            return f"has its own {name}, which would not run: take a dataclass, and check in its __post_init__"
    if has_own_call(cls):
        return f"has its own {CALL}, which would not run: take a dataclass, and check in its __post_init__"
    return None


def _of_struct(cls: type) -> str | None:
    """Look at the metaclass alone: a Struct has no `__init__` and no `__new__` of its own."""
    return f"has its own {CALL}, which would not run: check in __post_init__, which does" if has_own_call(cls) else None


def own_method(cls: type) -> str | None:
    """Return the name of a method that only a call of this dataclass or attrs class would run, if it has one."""
    names = ("__init__", "__new__", "__setattr__")
    own = next((name for name in names if not _is_generated(_owner(cls, name).__dict__[name])), None)
    return CALL if own is None and has_own_call(cls) else own


def has_own_call(cls: type) -> bool:
    """Tell whether a metaclass says what a call of the class does; one in C says no more than `type`."""
    return not _is_generated(_owner(type(cls), "__call__").__dict__["__call__"])


def _of_fields(cls: Any) -> str | None:
    attributes = getattr(cls, "__attrs_attrs__", None)
    hook = "__post_init__" if attributes is None else "__attrs_post_init__"
    name = own_method(cls)
    if name is not None:
        return f"has its own {name}, which would not run: check in {hook}, which does"
    for field in dataclasses.fields(cls) if attributes is None else attributes:
        if not field.init:
            return f"has the field {field.name!r} with init=False, which a client could fill: make it a property"
        if not isinstance(field, dataclasses.Field) and field.converter is not None:
            return f"has a converter for {field.name!r}, which would not run: convert in {hook}, which does"
    return None


_READERS = {kinds.DataclassType: _of_fields, kinds.NamedTupleType: _of_tuple, kinds.StructType: _of_struct}


def _owner(cls: type, name: str) -> type:
    """Return the class that defines a method for another, which inherits it."""
    return next(one for one in cls.__mro__ if name in one.__dict__)


def _is_generated(function: Any) -> bool:
    """Tell whether a method is one that dataclasses or attrs have made, or that of a class in C."""
    if isinstance(function, BuiltinFunctionType | WrapperDescriptorType):
        return True
    if not isinstance(function, FunctionType):
        return False
    code = function.__code__
    if code.co_qualname.startswith(_BY_DATACLASSES) or code.co_filename.startswith(_BY_ATTRS):
        return True
    return function.__globals__.get("__name__") == _ATTRS
