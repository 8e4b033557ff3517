"""What a user may import is there, documented and typed."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from itertools import chain
from types import ModuleType

import pytest

import waterspout

EXPORTED = {
    "AckTimeout",
    "ArgumentError",
    "AsyncEmitter",
    "CannotStart",
    "ConnectRefused",
    "Emitter",
    "Engine",
    "EventDenied",
    "EventRefused",
    "HandshakeRefused",
    "Namespace",
    "Pending",
    "Policy",
    "RateLimited",
    "Reason",
    "Request",
    "Server",
    "Socket",
    "SocketClosed",
    "TooManyCalls",
    "WaterspoutError",
    "event",
    "hook",
    "run",
}


def modules() -> Iterator[ModuleType]:
    yield waterspout
    for found in pkgutil.walk_packages(waterspout.__path__, "waterspout."):
        if not found.name.endswith(".__main__"):
            yield importlib.import_module(found.name)


def exported(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", ()))


def exports() -> Iterator[tuple[str, object]]:
    for module in modules():
        for name in exported(module):
            yield f"{module.__name__}.{name}", getattr(module, name)


def functions(name: str, value: object) -> Iterator[tuple[str, Callable[..., object]]]:
    """Return a function itself, and of a class __init__ and the public methods and properties that it defines."""
    if inspect.isfunction(value):
        yield name, value
    elif inspect.isclass(value):
        for key, member in vars(value).items():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            ours = inspect.isfunction(function) and function.__module__.startswith("waterspout")
            if ours and (key == "__init__" or not key.startswith("_")):
                yield f"{name}.{key}", function


def test_the_package_exports_the_names_that_a_user_needs() -> None:
    assert exported(waterspout) == sorted(EXPORTED)


def test_every_module_says_what_it_is_for() -> None:
    assert [module.__name__ for module in modules() if not module.__doc__] == []


def test_everything_exported_is_documented() -> None:
    values = {name: value for name, value in exports() if callable(value) and not isinstance(value, ModuleType)}
    members = {name: function for item in values.items() for name, function in functions(*item)}
    undocumented = [name for name, value in {**values, **members}.items() if not inspect.getdoc(value)]
    assert [name for name in undocumented if not name.endswith(".__init__")] == []


def test_everything_exported_is_typed() -> None:
    untyped = []
    for item in exports():
        for name, function in functions(*item):
            parameters = list(inspect.signature(function).parameters.values())
            bare = [p.name for p in parameters if p.annotation is p.empty and p.name not in {"self", "cls"}]
            if bare or "return" not in function.__annotations__:
                untyped.append((name, bare))
    assert untyped == []


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_a_name_can_be_imported_from_the_package(name: str) -> None:
    assert getattr(waterspout, name).__name__ == name


@pytest.mark.parametrize("name", [*chain(*waterspout._ELSEWHERE.values()), *waterspout._INSTEAD])
def test_a_name_that_is_elsewhere_is_found_by_the_sentence(name: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(f"from waterspout import {name}")
    sentence = str(caught.value)
    if name not in waterspout._INSTEAD:
        exec(sentence.partition(": ")[2])
    else:
        assert sentence.startswith(f"waterspout has no {name}, but ")
    with pytest.raises(AttributeError) as caught_too:
        getattr(waterspout, name)
    assert str(caught_too.value) == sentence
    assert not hasattr(waterspout, name)


def test_any_other_name_is_an_attribute_error() -> None:
    assert not hasattr(waterspout, "nothing")
    with pytest.raises(AttributeError, match="module 'waterspout' has no attribute 'nothing'"):
        waterspout.nothing  # type: ignore[attr-defined]  # noqa: B018
