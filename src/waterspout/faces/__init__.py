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
    "gevent_socketio": "waterspout.faces.gevent_socketio",
    "tornadio2": "waterspout.faces.tornadio2",
    "tornado_websockets": "waterspout.faces.tornado_websockets",
    "tornadose": "waterspout.faces.tornadose",
}
"""The faces, and their modules."""

_ORIGINALS = {"gevent_socketio": "socketio"}
"""What the original of a face is imported as, where that is another name."""


def install(name: str) -> None:
    """Make the import name of an original library import its replacement here: of "tornadio2", for example.

    That of "gevent_socketio" is `socketio`. Call it before the application's own imports. Both names import the same
    module objects. ValueError for an unknown face; ImportError if another package of the original's name can be
    imported, which is never shadowed.
    """
    if name not in FACES:
        raise ValueError(f"there is no face for {name!r}: the faces are {', '.join(map(repr, sorted(FACES)))}")
    face, original = importlib.import_module(FACES[name]), _ORIGINALS.get(name, name)
    if sys.modules.get(original) is face:
        return
    if (place := _place(original)) is not None:
        text = f"another {original} can be imported, from {place}: uninstall it, or import {FACES[name]} instead"
        raise ImportError(text, name=original)
    sys.modules[original] = face
    sys.meta_path.insert(0, _Modules(original, FACES[name]))


class _Modules(MetaPathFinder, Loader):
    """Imports a module below an original name as the face's module of that name, so that it is not loaded twice."""

    def __init__(self, original: str, face: str) -> None:
        self._original = f"{original}."
        self._face = f"{face}."

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        exists = fullname.startswith(self._original) and find_spec(self._named(fullname))
        return ModuleSpec(fullname, self) if exists else None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self._named(module.__name__))

    def _named(self, fullname: str) -> str:
        return self._face + fullname.removeprefix(self._original)


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
