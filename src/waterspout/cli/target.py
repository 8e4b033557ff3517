"""What `waterspout serve` is told to serve: a module and the name of its server."""

import importlib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornado.web import Application

from waterspout import CannotStart
from waterspout.engine import Engine
from waterspout.hosts.tornado import Mountable
from waterspout.hosts.wsgimount import check_wsgi
from waterspout.server import Server

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_LIBRARY = os.path.join(sysconfig.get_path("stdlib"), "")
_NO_LOOP = "no running event loop"  # what asyncio says to `create_task` while a module is imported


def load(target: str) -> Mountable:
    """Import `module:server` with the current directory on the path; the server may be `name.of.attribute`."""
    found = _load(target)
    if isinstance(found, Server | Engine):
        return found
    raise CannotStart(f"cannot serve {target!r}: {_what_is_wrong(found, target)}")


def load_asgi(target: str) -> Any:
    """Import an ASGI application, as `load` imports a server; the host of uvicorn checks it."""
    return _load(target)


def load_application(target: str) -> Callable[..., Any]:
    """Import a WSGI application, as `load` imports a server."""
    found: Any = _load(target)
    check_wsgi(found, repr(target))
    application: Callable[..., Any] = found
    return application


def _load(target: str) -> object:
    module_name, _, names = target.partition(":")
    _check_name(target, module_name, names)
    if not module_name or not names:
        raise CannotStart(f"cannot serve {target!r}: write module:server, as in chat:server")
    found: object = _import(module_name)
    for name in names.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            remedy = "name the variable that holds the waterspout.Server, or the application"
            if module_name.partition(".")[0] in sys.stdlib_module_names:
                remedy = "that is a module of Python's own, so give yours another name"
            raise CannotStart(f"cannot serve {target!r}: {module_name!r} has no {names!r}; {remedy}") from None
    return found


def source_of(target: str) -> Path | None:
    """Return the file of a target's module, which is loaded."""
    module = sys.modules[target.partition(":")[0]]
    return None if module.__file__ is None else Path(module.__file__)


def _check_name(target: str, module: str, names: str) -> None:
    """Refuse what is a file, not a module."""
    name = module.removesuffix(".py").replace(os.sep, ".").strip(".")
    if name == module or not name:
        return
    wanted = f"{name}:{names or 'server'}"
    if module.startswith(os.sep):
        folder, file = os.path.split(module.removesuffix(".py"))
        wanted = f"{file}:{names or 'server'} in the directory {folder}"
    raise CannotStart(f"cannot serve {target!r}: that is a file, not a module; write {wanted}")


def _what_is_wrong(found: Any, target: str) -> str:
    if inspect.isclass(found) and issubclass(found, Server | Engine):
        return f"it is the class {found.__name__!r} itself; call it, as in server = {found.__name__}(), and name that"
    is_tornado = isinstance(found, Application)
    if callable(found) and not inspect.isroutine(found) and not inspect.isclass(found) and not is_tornado:
        return f"it is an application; name the server first, as in {_beside_server(found, target)}"
    if callable(found) and not is_tornado:
        return "it is a function; call it, as in server = make_server(), and name what it returns"
    return (
        f"it is of type {type(found).__name__!r}, not a waterspout.Server or an Engine; "
        f"an application of your own mounts waterspout.hosts.tornado.routes(server) and listens itself"
    )


def _beside_server(application: Any, target: str) -> str:
    if not inspect.iscoroutinefunction(type(application).__call__):
        return f"chat:server --app {target}"
    options = f"--host uvicorn --app {target}"
    return f"chat:server {options}, or {options} alone where the application mounts its server"


def _import(name: str) -> object:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise CannotStart(
                f"cannot import {name!r}: there is no module {error.name!r} in {os.getcwd()} or on PYTHONPATH"
            ) from None
        raise _broken(name, error) from None
    except Exception as error:  # the user's module is run here
        raise _broken(name, error) from None


def _broken(name: str, error: Exception) -> CannotStart:
    """Print the user's part of the traceback, and return the sentence."""
    if isinstance(error, SyntaxError):
        lines = traceback.format_exception_only(error)[:-1]
        place, text = f"{os.path.basename(error.filename or '')}:{error.lineno}", error.msg
    else:
        frames = traceback.extract_tb(error.__traceback__)
        if isinstance(error, RuntimeError) and str(error) == _NO_LOOP:
            frames = traceback.StackSummary.from_list([one for one in frames if not _is_asyncios(one)])
        ours = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
        ours = _without_package(ours) or ours
        lines = traceback.format_list(ours)
        place, text = f"{os.path.basename(ours[-1].filename)}:{ours[-1].lineno}" if ours else "import", str(error)
    print("".join(lines), end="", file=sys.stderr)
    remedy = "correct it and start again"
    if isinstance(error, ModuleNotFoundError):
        remedy = f"correct the name, or install its package for this Python, {sys.executable}"
    if isinstance(error, RuntimeError) and text == _NO_LOOP:
        _discard_coroutine(error)
        remedy = "begin this in an `async def` with @server.on_start above it, which is called when the server starts"
    return CannotStart(f"the module {name!r} raises {type(error).__name__} at {place}: {text}; {remedy}")


def _without_package(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Leave out the frames of this package, and those of the standard library that it has called."""
    kept, is_package = [], False
    for frame in frames:
        is_library = frame.filename.startswith(_LIBRARY) and "site-packages" not in frame.filename
        is_package = frame.filename.startswith(_PACKAGE) or (is_package and is_library)
        if not is_package:
            kept.append(frame)
    return kept


def _discard_coroutine(error: Exception) -> None:
    """Close what was to be a task, so that Python does not complain of it behind our sentence."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        found = frame.f_locals.get("coro")
        if inspect.iscoroutine(found):
            found.close()


def _is_asyncios(frame: traceback.FrameSummary) -> bool:
    """Tell whether a frame is of asyncio itself, which was called where it cannot be."""
    return os.path.basename(os.path.dirname(frame.filename)) == "asyncio"
