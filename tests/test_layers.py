"""The source keeps to the rules of its layers; the checker is fed breaches, so that no rule falls asleep."""

from pathlib import Path

import pytest

from layers import check

SOURCE = Path(__file__).parent.parent / "src" / "waterspout"


def test_the_source_keeps_to_its_layers() -> None:
    sources = {path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in SOURCE.rglob("*.py")}
    assert "errors.py" in sources
    assert {f"{Path(path).parent.as_posix()}/__init__.py".removeprefix("./") for path in sources} <= sources.keys()
    assert check(sources) == []


# The checker checked. Around each source stand a few empty modules that it may name.

SURROUNDINGS = """
    errors.py types.py wire/__init__.py wire/json.py engine/__init__.py engine/session.py server/__init__.py
    server/server.py drivers/asyncio.py adapters/memory.py hosts/tornado.py hosts/link.py testing/__init__.py
    cli/target.py
    faces/tornadio2/__init__.py
"""


def breaches(path: str, source: str) -> list[str]:
    return check({**dict.fromkeys(SURROUNDINGS.split(), ""), path: source})


REFUSED = [
    # the order of the layers
    ("errors.py", "import waterspout.types", "errors may not import waterspout.types"),
    ("wire/a.py", "from waterspout.engine import session", "wire may not import waterspout.engine.session"),
    ("wire/a.py", "from ..engine.session import Session", "wire may not import waterspout.engine.session"),
    ("wire/a.py", "from .. import engine", "wire may not import waterspout.engine"),
    ("wire/__init__.py", "from ..engine import session\n__all__ = []", "wire may not import waterspout.engine.session"),
    ("wire/a.py", "if TYPE_CHECKING:\n    import waterspout.server", "wire may not import waterspout.server"),
    ("engine/a.py", "def f():\n    from waterspout.server.server import Server", "engine may not import"),
    ("engine/a.py", "from waterspout import Server", "engine may not import waterspout"),
    ("server/a.py", "import waterspout.drivers.asyncio", "server may not import waterspout.drivers.asyncio"),
    ("drivers/a.py", "import waterspout.adapters.memory", "drivers may not import waterspout.adapters.memory"),
    ("adapters/a.py", "import waterspout.hosts.tornado", "adapters may not import waterspout.hosts.tornado"),
    ("hosts/a.py", "import waterspout.adapters.memory", "hosts may not import waterspout.adapters.memory"),
    ("hosts/a.py", "from waterspout import Server", "hosts may not import waterspout"),
    ("testing/__init__.py", "import waterspout.hosts.tornado", "testing may not import waterspout.hosts.tornado"),
    ("faces/a.py", "import waterspout.cli", "faces may not import waterspout.cli"),
    ("helpers.py", "", "helpers has no place among the layers"),
    # what the core is kept from
    ("wire/a.py", "import asyncio", "the core may not import asyncio"),
    ("engine/a.py", "import os.path", "the core may not import os.path"),
    ("server/a.py", "from time import monotonic", "the core may not import time"),
    ("server/a.py", "if TYPE_CHECKING:\n    import tornado.web", "the core may not import tornado.web"),
    ("server/a.py", "class A:\n    async def f(self): ...", "the core has no async def, and f is one"),
    # what everybody is kept from
    ("hosts/a.py", "import pickle", "pickle is used nowhere"),
    ("adapters/a.py", "from marshal import loads", "marshal is used nowhere"),
    ("cli/target.py", "from gevent import monkey", "gevent is for the driver and the host that bear its name"),
    ("hosts/link.py", "def f():\n    import gevent.pool", "gevent.pool is for the driver and the host"),
    ("faces/a.py", "from greenlet import getcurrent", "greenlet is for the driver and the host"),
    ("cli/target.py", "eval('1')", "eval is used nowhere"),
    ("cli/target.py", "def f(x):\n    exec(x)", "exec is used nowhere"),
    ("hosts/a.py", "import secrets", "secrets is used in drivers/ only"),
    ("hosts/a.py", "import json", "json is used in wire/json.py only"),
    ("server/a.py", "import msgspec\nmsgspec.json.encode(1)", "msgspec.json is used in wire/json.py only"),
    ("server/a.py", "from msgspec import json", "msgspec.json is used in wire/json.py only"),
    ("server/a.py", "from ..wire.generations import SOCKETIO_1", "SOCKETIO_1 is one generation's"),
    ("hosts/a.py", "from waterspout.wire.generations import ENGINEIO_4, Generation", "ENGINEIO_4 is one generation's"),
    ("hosts/handlers.py", "from ..wire.generations import EVENTS", "EVENTS is one generation's"),
    ("server/eventsource.py", "from ..wire.generations import EVENTS", "EVENTS is one generation's"),
    ("server/a.py", "session.generation.implicit_connect", "implicit_connect is the engine's to ask"),
    ("engine/a.py", "table.policy.protocol1.poll_hold", "protocol1 has the options of clients of 0.7 to 0.9"),
    ("hosts/a.py", "engine.policy.protocol1", "protocol1 has the options of clients of 0.7 to 0.9"),
    ("hosts/a.py", "try: f()\nexcept: pass", "everything is caught only where"),
    ("engine/a.py", "try: f()\nexcept Exception: pass", "everything is caught only where"),
    ("hosts/a.py", "try: f()\nexcept (OSError, BaseException): pass", "everything is caught only where"),
    # private names
    ("engine/a.py", "from waterspout.wire.json import _cut", "waterspout.wire.json._cut is private"),
    ("engine/a.py", "import waterspout.wire._json", "waterspout.wire._json is private"),
    ("hosts/a.py", "from tornado.web import _x", "tornado.web._x is private"),
    ("hosts/a.py", "def f(session):\n    session._outbox", "session._outbox is private to another package"),
    ("hosts/a.py", "def f(session):\n    getattr(session, '_outbox', 1)", "session._outbox is private"),
    ("hosts/a.py", "class A:\n    def f(self):\n        self.session._outbox", "self.session._outbox is private"),
    ("faces/a.py", "class A(B):\n    def f(self):\n        self._rooms", "self._rooms is private"),
    ("faces/a.py", "class A:\n    def f(self, b):\n        self._c = b._c", "b._c is private"),
    ("django/a.py", "def f(a):\n    a._b", "a._b is private"),
    # exports
    ("engine/__init__.py", "def f(): ...", "lists the public ones in __all__"),
    ("engine/__init__.py", "__all__ = ['Gone']", "__all__ names Gone, which does not exist"),
    # cycles
    ("engine/session.py", "import waterspout.engine.session", "a cycle of imports"),
    ("hosts/link.py", "from waterspout.hosts import link", "a cycle of imports"),
]


@pytest.mark.parametrize(("path", "source", "complaint"), REFUSED)
def test_a_breach_is_refused(path: str, source: str, complaint: str) -> None:
    found = breaches(path, source)
    assert any(complaint in breach for breach in found), found


def test_a_cycle_between_modules_of_one_package_is_refused() -> None:
    sources = {"engine/a.py": "from .b import B", "engine/b.py": "def f():\n    from .a import A"}
    assert check(sources) == ["a cycle of imports: waterspout.engine.a -> waterspout.engine.b -> waterspout.engine.a"]


def test_what_is_imported_for_types_only_makes_a_cycle_between_packages_but_none_within_one() -> None:
    later = "if TYPE_CHECKING:\n    from .{} import A"
    assert check({"engine/a.py": "from .b import B", "engine/b.py": later.format("a")}) == []
    sources = {"engine/a.py": later.format(".server.b"), "server/b.py": "from ..engine.a import A"}
    assert "a cycle of imports: engine -> server -> engine" in check(sources)


def test_a_cycle_between_packages_is_refused() -> None:
    sources = {"engine/a.py": "import waterspout.server.b", "server/c.py": "import waterspout.engine.d"}
    assert "a cycle of imports: engine -> server -> engine" in check(sources)


AROUND_A_FACE = {
    "__init__.py": "from .server import Server\n__all__ = ['Server']",
    "errors.py": "class DecodeError(Exception): ...",
    "types.py": "",
    "server/__init__.py": "from .server import Server\n__all__ = ['Server']",
    "server/server.py": "class Server: ...",
    "wire/__init__.py": "",
    "wire/json.py": "def decode(): ...\ndef check_bounds(): ...\n__all__ = ['decode']",
    "faces/__init__.py": "",
    "faces/b.py": "def own(): ...",
}


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("from ..server.server import Server", "waterspout.server.server is not public: it has no __all__"),
        ("from ..server import server", "waterspout.server.server is not public"),
        ("import waterspout.server.server", "waterspout.server.server is not public"),
        ("if TYPE_CHECKING:\n    from ..server.server import Server", "waterspout.server.server is not public"),
        ("from ..server import server as s\ns.Server", "waterspout.server.server is not public"),
        ("from ..server import Socket", "waterspout.server does not list Socket in __all__"),
        ("from .. import Engine", "waterspout does not list Engine in __all__"),
        ("from ..wire.json import check_bounds", "waterspout.wire.json does not list check_bounds in __all__"),
        ("from ..wire import json\njson.check_bounds()", "waterspout.wire.json does not list check_bounds"),
        ("import waterspout.wire.json\nwaterspout.wire.json.check_bounds()", "does not list check_bounds"),
        ("from ..wire import json as j\nj.decode(j.check_bounds)", "waterspout.wire.json does not list check_bounds"),
    ],
)
def test_a_face_that_takes_what_is_not_public_is_refused(source: str, complaint: str) -> None:
    found = check({**AROUND_A_FACE, "faces/a.py": source})
    assert any(complaint in breach for breach in found), found


@pytest.mark.parametrize(
    "source",
    [
        "from waterspout import Server\nfrom ..server import Server as S",
        "from ..errors import DecodeError\nfrom .. import types\ntypes.Request",
        "from ..wire.json import decode\nfrom ..wire import json\njson.decode()",
        "from .b import own\nfrom . import b\nb.own()",
        "import tornado.web\ntornado.web.Application",
    ],
)
def test_a_face_takes_what_is_public_and_what_is_its_own(source: str) -> None:
    assert check({**AROUND_A_FACE, "faces/a.py": source}) == []


def test_a_module_that_lists_a_name_which_it_does_not_have_is_refused() -> None:
    found = check({**AROUND_A_FACE, "wire/json.py": "__all__ = ['decode']"})
    assert found == ["wire/json.py:1: __all__ names decode, which does not exist"]


ACCEPTED = [
    ("wire/a.py", "from waterspout.errors import DecodeError\nfrom . import json\nfrom .json import decode"),
    ("wire/json.py", "import json\nimport msgspec.json\nfrom msgspec import json as fast\nmsgspec.json.encode(1)"),
    ("engine/a.py", "from __future__ import annotations\nfrom waterspout.wire import json\njson.decode"),
    ("engine/a.py", "class A:\n    __slots__ = ('_b',)\n    def f(self, other):\n        return self._c + other._b"),
    ("engine/a.py", "from waterspout.engine.session import _cut"),
    ("engine/a.py", "class A:\n    def f(self):\n        self._x = 1\n\ndef f(a):\n    a._x = a.__dict__"),
    ("engine/__init__.py", "from .session import Session\n__all__ = ['Session', 'session']"),
    ("drivers/a.py", "import asyncio, secrets, time\ntry: f()\nexcept Exception: pass\nasync def f(): ..."),
    (
        "hosts/a.py",
        "import waterspout.drivers.asyncio\nfrom . import link\ntry: f()\nexcept (OSError, ValueError): pass",
    ),
    ("server/a.py", "from waterspout.wire.generations import Generation"),
    ("testing/a.py", "from waterspout.wire.generations import ENGINEIO_4"),
    ("engine/protocol1/a.py", "table.policy.protocol1.poll_hold"),
    ("hosts/a.py", "import os\nos._exit(0)"),
    ("cli/target.py", "import importlib\ntry: importlib.import_module(x)\nexcept Exception: pass"),
    ("testing/a.py", "import waterspout.drivers.asyncio\nfrom waterspout import Server"),
    ("faces/a.py", "class A:\n    def f(self):\n        self._x = 1"),
    ("__init__.py", "def run():\n    from waterspout.hosts import tornado\n__all__ = ['run']"),
]


@pytest.mark.parametrize(("path", "source"), ACCEPTED)
def test_what_the_rules_allow_is_accepted(path: str, source: str) -> None:
    assert breaches(path, source) == []
