"""Objects by name that live while somebody holds them: dynamic namespaces, and channels."""

from collections.abc import Iterator
from typing import Generic, TypeVar
from weakref import ref

T = TypeVar("T")

_PATIENCE = 1000  # steps, in which another thread takes its next one


class WeakTable(Generic[T]):
    """Weak references by name. Threads that add an object of one name at once all get the same.

    A WeakValueDictionary adds in two steps, between which another thread may add. Here it is one step of a dictionary.
    """

    def __init__(self) -> None:
        self._references: dict[str, ref[T]] = {}

    def __iter__(self) -> Iterator[T]:
        found = [reference() for reference in tuple(self._references.values())]
        return iter([one for one in found if one is not None])

    def __len__(self) -> int:
        return len(self._references)

    def get(self, name: str) -> T | None:
        """Return the object of this name, if there is one."""
        reference = self._references.get(name)
        return None if reference is None else reference()

    def add(self, name: str, one: T) -> T:
        """Add an object unless there is one of this name; return the one that is there."""
        reference = ref(one, lambda gone: self._forget(name, gone))
        for _ in range(_PATIENCE):  # one that is gone leaves before long, by `_forget` alone
            found = self._references.setdefault(name, reference)()
            if found is not None:
                return found
        self._references[name] = reference  # a destructor of the user's asks, before `_forget` is called
        return one

    def _forget(self, name: str, gone: "ref[T]") -> None:
        if self._references.get(name) is gone:
            del self._references[name]
