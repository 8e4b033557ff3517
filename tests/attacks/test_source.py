"""Rules for the source itself (D7): where secrets come from, and what never runs what a client has said."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import waterspout

SOURCE = Path(waterspout.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "yaml", "random", "uuid", "telnetlib", "xml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "vars", "globals", "setattr", "delattr"}
SECRETS = {"sid", "self.sid", "session.id", "self.session.id", "decision.sid"}


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    """Return all that is written in the package, each with the module where it stands."""
    return [
        (str(module.relative_to(SOURCE)), node)
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
    ]


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module or ""


def called(node: ast.AST) -> str:
    """The name of what a node calls: `f` or `module.f`; empty for anything else."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def test_nothing_is_imported_that_runs_what_it_reads_or_guesses_what_should_be_secret() -> None:
    """CVE-2025-61765 was a pickle from the bus, CVE-2017-16031 an id from Math.random()."""
    found = {(module, name) for module, node in nodes() for name in imported(node)}
    assert {(module, name) for module, name in found if name.partition(".")[0] in FORBIDDEN_MODULES} == set()
    assert ("drivers/system.py", "secrets") in found


def test_nothing_is_run_that_was_text() -> None:
    assert [(module, called(node)) for module, node in nodes() if called(node) in FORBIDDEN_CALLS] == []


def test_no_attribute_is_looked_up_by_a_name_that_comes_at_run_time() -> None:
    """TornadIO2 and gevent-socketio called `on_` + the name that a client sent."""
    looked_up = {
        (module, ast.unparse(node))
        for module, node in nodes()
        if isinstance(node, ast.Call)
        and called(node) in ("getattr", "hasattr", "operator.attrgetter")
        and not isinstance(node.args[-1 if called(node) == "operator.attrgetter" else 1], ast.Constant)
    }
    assert looked_up == {
        ("server/classes.py", "getattr(kind, name)"),  # what a user's class has in it
        ("server/classes.py", "getattr(kind, name, None)"),  # the hooks of a user's class, whose names are a table
        ("server/annotations.py", "getattr(part, name)"),  # the fields of a user's Struct
        ("hosts/overrides.py", "getattr(cls, name, None)"),  # what nobody would await in a user's class
        ("engine/options.py", "getattr(options, field.name)"),  # the fields of a policy, which are checked
        ("server/stats.py", "getattr(traffic, counter.name)"),  # the fields of a dataclass
        ("faces/tornadio2/stats.py", "getattr(self, name)"),  # a table of names
        ("faces/tornadio2/calls.py", "getattr(connection, name)"),  # a method out of its class's table
        ("drivers/geventlogging.py", "getattr(threading, name)"),  # what `logging` looks for there
        ("cli/hosts.py", "getattr(options, name)"),  # a table of options
        ("cli/target.py", "getattr(found, name)"),  # what the command line names: `module:server`
    }


def test_no_shell_is_asked() -> None:
    calls = {called(node) for _, node in nodes()}
    assert not {"os.system", "os.popen", "subprocess.getoutput"} & calls
    assert [module for module, node in nodes() if isinstance(node, ast.keyword) and node.arg == "shell"] == []


def test_tokens_come_from_the_operating_system_and_from_nowhere_else() -> None:
    """All that is random in the package is 128 bits at a time, in the drivers."""
    random = ("secrets.", "os.urandom", "random.", "uuid.")
    assert {(module, ast.unparse(node)) for module, node in nodes() if called(node).startswith(random)} == {
        ("drivers/system.py", "secrets.token_urlsafe(16)"),
    }


def test_ids_of_sessions_are_looked_up_and_never_compared_one_by_one() -> None:
    """A dictionary compares hashes with a secret key first; `==` tells by its time how much was right."""
    compared = [
        (module, ast.unparse(node))
        for module, node in nodes()
        if isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(ast.unparse(side) in SECRETS for side in (node.left, *node.comparators))
    ]
    assert compared == []
