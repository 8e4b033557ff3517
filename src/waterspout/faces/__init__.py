"""The APIs of older libraries, under their original names, on this engine.

    from waterspout.faces import install

    install("tornadio2")

After these lines, an old application can `import tornadio2` and its submodules.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

__all__ = ["FACES", "install"]

FACES = {
    "tornadio2": "waterspout.faces.tornadio2",
}
"""The original import names, and the modules that replace them."""


def install(name: str) -> None:
    """Make `import tornadio2` import Waterspout's replacement; call it before the application's own imports.

    `name` is the name of the original library: "tornadio2". Both names import the same module objects. Raises
    ValueError for an unknown name, and ImportError if another package of this name can be imported: it is never
    shadowed.
    """
    if name not in FACES:
        raise ValueError(f"there is no face for {name!r}: the faces are {', '.join(map(repr, sorted(FACES)))}")
    face = importlib.import_module(FACES[name])
    if sys.modules.get(name) is face:
        return
    _refuse_company(name)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # before the one that would load the face's files a second time
    sys.modules[name] = face


def _refuse_company(name: str) -> None:
    place = _place(name)
    if place is not None:
        raise ImportError(
            f"another {name} can be imported, from {place}: uninstall it, or import {FACES[name]} instead",
            name=name,
        )


def _place(name: str) -> str | None:
    """Return where a module was, or would be, imported from."""
    if name in sys.modules:
        module = sys.modules[name]
        file, folders = getattr(module, "__file__", None), getattr(module, "__path__", ())
    else:
        spec = find_spec(name)
        if spec is None:
            return None
        file, folders = spec.origin, spec.submodule_search_locations or ()
    return file or ", ".join(folders) or "sys.modules"


class _Finder(MetaPathFinder):
    """Finds the modules of an installed face under its original name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        original, _, below = fullname.partition(".")
        if not below or original not in FACES or sys.modules.get(original) is not sys.modules.get(FACES[original]):
            return None
        ours = f"{FACES[original]}.{below}"
        return ModuleSpec(fullname, _Alias(ours)) if find_spec(ours) else None


class _Alias(Loader):
    """Loads a module under its name in Waterspout, and returns the same module object."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import has replaced."""
        module.__spec__ = self._spec
