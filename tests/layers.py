"""Who may import whom, and what each layer keeps out: the rules of docs/architecture.md, read off the source text.

Imports under TYPE_CHECKING and inside functions count like any other, with one exception: within a layer, what is
imported for types only makes no cycle.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

CORE = {"wire", "engine", "server"}
BELOW_DRIVERS = {"errors", "types", "wire", "engine", "server"}
BELOW_HOSTS = BELOW_DRIVERS | {"drivers", "adapters"}
BELOW_FACES = BELOW_HOSTS | {"hosts", "waterspout"}

# layer -> the layers that it may import beside itself; "waterspout" is the package's own __init__.py
MAY_IMPORT = {
    "errors": set[str](),
    "types": {"errors"},
    "wire": {"errors", "types"},
    "engine": {"errors", "types", "wire"},
    "server": {"errors", "types", "wire", "engine"},
    "drivers": BELOW_DRIVERS,
    "adapters": BELOW_DRIVERS,
    "hosts": BELOW_DRIVERS | {"drivers"},
    "waterspout": BELOW_HOSTS | {"hosts"},
    "testing": BELOW_DRIVERS | {"drivers", "waterspout"},
    "django": BELOW_FACES,
    "faces": BELOW_FACES,
    "demo": BELOW_FACES,
    "cli": BELOW_FACES | {"demo"},
    "__main__": {"cli"},
}
PUBLIC_NAMES_ONLY = {"faces", "django"}
PUBLIC_AS_A_WHOLE = {"waterspout.errors", "waterspout.types"}

# Time, tokens, sockets and tasks are lent to the core; it reports, and drivers log.
NOT_IN_CORE = """
    asyncio concurrent selectors select signal socket socketserver ssl subprocess threading multiprocessing queue
    time random secrets os importlib logging uvloop gevent greenlet tornado django redis nats
"""
NOWHERE = {"pickle", "marshal", "shelve", "dill", "yaml"}
ROWS = re.compile("(ENGINEIO|SOCKETIO|REVISION|MSGPACK)_[0-9]|GENERATIONS|EVENTS|EVENT_STREAM")
BEGINS = {  # sessions of this row, of which nobody else makes any
    "server/eventsource.py": "EVENT_STREAM",
    "hosts/handlerstreams.py": "EVENT_STREAM",
    "server/plainwebsocket.py": "EVENTS",
}
COLUMNS = {"implicit_connect", "own_socket_id", "client_pings", "strays"}
VERSIONS_IN = {"wire", "engine", "testing", "faces"}  # tests choose a client, and a face which it is for
OPTIONS_OF_OLD_CLIENTS_IN = ("engine/protocol1/", "engine/policy.py", "faces/")
GEVENT_IN = {"drivers/gevent.py", "hosts/gevent.py", "hosts/hubs.py", "hosts/strict.py", "hosts/wsgi.py"}
GEVENT_IN |= {
    "adapters/crossing.py",  # which begins a thread that gevent has not patched
    "faces/gevent_socketio/",  # which is an API of gevent's greenlets
    "hosts/wsgiserver.py",
    "hosts/patching.py",
    "drivers/greenlets.py",
    "drivers/geventnatives.py",
    "drivers/geventlogging.py",
    "hosts/gunicorn.py",
    "hosts/paste.py",
}
ONLY_IN = {"secrets": "drivers/", "json": "wire/json.py", "msgspec.json": "wire/json.py"}

# Where users' functions run, and where a user's module is imported: whatever they raise is expected there.
CATCH_EVERYTHING = {"drivers", "cli", "testing"}
RUN_WHAT_USERS_WROTE = {"faces/tornadio2/gen.py", "faces/tornadio2/periodic.py", "faces/tornadio2/router.py"}
RUN_WHAT_USERS_WROTE |= {f"faces/gevent_socketio/{name}.py" for name in ("carrier", "receiver", "virtsocket")}
RUN_WHAT_USERS_WROTE |= {"engine/session.py"}  # an application of bare Engine.IO, or the handler behind a dialect
RUN_WHAT_USERS_WROTE |= {"hosts/asgi.py"}  # an application that knows no lifespan, which raises whatever it likes
ENCODE_WHAT_USERS_MADE = {"server/dispatch.py", "server/entrance.py", "server/namespace.py", "wire/places.py"}

# Public and documented, in spite of the underscore.
NOT_PRIVATE = {"os._exit", "sys._current_frames", "logging._lock", "logging._handlerList", "module._lock"}
NOT_PRIVATE |= {"asyncio._get_running_loop", "asyncio._set_running_loop"}  # for loops, as the next two
NOT_PRIVATE |= {"asyncio.tasks._enter_task", "asyncio.tasks._leave_task"}
NOT_PRIVATE |= {  # of gevent-socketio's document
    *(
        f"socket._set_{name}"
        for name in ("environ", "namespaces", "request", "error_handler", "json_loads", "json_dumps")
    ),
    *("socket._receiver_loop", "self.socket._get_next_msgid"),
    *("self.socket._save_ack_callback", "self.socket._pop_ack_callback"),
}

Complaint = tuple[int, str]


@dataclass(frozen=True)
class Module:
    """A source file by its path below src/waterspout; `names` are the dotted names of all modules there are."""

    path: str
    source: str
    names: frozenset[str]

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.source)))

    @property
    def name(self) -> str:
        return name_of(self.path)

    @property
    def layer(self) -> str:
        return layer_of(self.name)

    @cached_property
    def imports(self) -> list[tuple[int, str, str]]:
        """Each import as line, module, and the name taken from it ("" for the module as a whole)."""
        found = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = self.absolute(node)
                for alias in node.names:
                    full = f"{origin}.{alias.name}"
                    found.append((node.lineno, full, "") if full in self.names else (node.lineno, origin, alias.name))
        return found

    def absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") + ["__init__"] * self.path.endswith("__init__.py")
        return ".".join(package[: -node.level] + ([node.module] if node.module else []))

    @cached_property
    def for_types_only(self) -> set[int]:
        """The lines of what is imported under TYPE_CHECKING."""
        guarded = [n for n in self.nodes if isinstance(n, ast.If) and ast.unparse(n.test).endswith("TYPE_CHECKING")]
        return {
            line for guard in guarded for node in guard.body for line in range(node.lineno, (node.end_lineno or 0) + 1)
        }

    @cached_property
    def inner_imports(self) -> list[tuple[int, str]]:
        return [(line, target) for line, target, _ in self.imports if target.split(".")[0] == "waterspout"]


def name_of(path: str) -> str:
    return ".".join(["waterspout", *path.removesuffix(".py").split("/")]).removesuffix(".__init__")


def layer_of(name: str) -> str:
    return name.split(".")[1] if "." in name else name


def lineage(name: str) -> Iterator[str]:
    """Return the module and the packages that it is in."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


# The rules about one module


def layers(module: Module) -> Iterator[Complaint]:
    if module.layer not in MAY_IMPORT:
        yield 1, f"{module.layer} has no place among the layers: give it one in MAY_IMPORT"
        return
    for line, target in module.inner_imports:
        if layer_of(target) not in {module.layer, *MAY_IMPORT[module.layer]}:
            yield line, f"{module.layer} may not import {target}"


def core_is_synchronous_and_sans_io(module: Module) -> Iterator[Complaint]:
    if module.layer not in CORE:
        return
    for line, target, _ in module.imports:
        if target.split(".")[0] in NOT_IN_CORE.split():
            yield line, f"the core may not import {target}"
    for node in module.nodes:
        if isinstance(node, ast.AsyncFunctionDef):
            yield node.lineno, f"the core has no async def, and {node.name} is one"


def dangerous_and_reserved_modules(module: Module) -> Iterator[Complaint]:
    for line, target, name in module.imports:
        for full in {target, f"{target}.{name}"}:
            if full.split(".")[0] in NOWHERE:
                yield line, f"{target} is used nowhere"
            if not module.path.startswith(ONLY_IN.get(full, "")):
                yield line, f"{full} is used in {ONLY_IN[full]} only"
    for node in module.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}:
            yield node.lineno, f"{node.func.id} is used nowhere"
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "msgspec.json" and module.path != "wire/json.py":
            yield node.lineno, "msgspec.json is used in wire/json.py only"


def gevent_ends_with_its_host(module: Module) -> Iterator[Complaint]:
    for line, target, _ in module.imports:
        if target.split(".")[0] in {"gevent", "greenlet"} and not module.path.startswith(tuple(GEVENT_IN)):
            yield line, f"{target} is for the driver and the host that bear its name"


def versions_end_with_the_engine(module: Module) -> Iterator[Complaint]:
    if module.layer in VERSIONS_IN:
        return
    for line, target, name in module.imports:
        if target.startswith("waterspout.") and ROWS.fullmatch(name) and BEGINS.get(module.path) != name:
            yield line, f"{name} is one generation's: ask the engine, or give the table another column"
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and node.attr in COLUMNS:
            yield node.lineno, f"{node.attr} is the engine's to ask: it has to act on it"


def old_clients_have_options_of_their_own(module: Module) -> Iterator[Complaint]:
    if module.path.startswith(OPTIONS_OF_OLD_CLIENTS_IN):
        return
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "protocol1":
            yield node.lineno, "protocol1 has the options of clients of 0.7 to 0.9: engine/protocol1 reads them"


def few_catch_everything(module: Module) -> Iterator[Complaint]:
    if module.layer in CATCH_EVERYTHING or module.path in RUN_WHAT_USERS_WROTE | ENCODE_WHAT_USERS_MADE:
        return
    for node in module.nodes:
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in kinds):
                yield (
                    node.lineno,
                    "everything is caught only where a user's code runs: in drivers, and where its values are encoded",
                )


def private_names_stay_in_their_package(module: Module) -> Iterator[Complaint]:
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom):
            origin = module.absolute(node)
            taken = [f"{origin}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            taken = [alias.name for alias in node.names]
        else:
            continue
        for full in taken:
            at_home = full.startswith("waterspout.") and layer_of(full) == module.layer
            if any(map(is_private, full.split("."))) and not at_home:
                yield node.lineno, f"{full} is private"


def exports(module: Module) -> Iterator[Complaint]:
    bound = {name for statement in ast.parse(module.source).body for name in bound_by(statement)}
    exported = exported_by(module)
    if exported is None and bound and module.path.endswith("__init__.py"):
        yield 1, "a package that has names lists the public ones in __all__"
    for name in sorted(exported or ()):
        if name not in bound and f"{module.name}.{name}" not in module.names:
            yield 1, f"__all__ names {name}, which does not exist"


def exported_by(module: Module) -> set[str] | None:
    """Return the names in __all__; None for a module without, of which nothing is public."""
    for statement in ast.parse(module.source).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and "__all__" in bound_by(statement):
            return set(literal(statement))
    return None


def bound_by(statement: ast.AST) -> set[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(alias.asname or alias.name).split(".")[0] for alias in names}
        case ast.Assign() | ast.AnnAssign() | ast.If() | ast.Try():
            children = [node for node in ast.walk(statement) if isinstance(node, ast.Import | ast.ImportFrom)]
            stored = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            return stored.union(*map(bound_by, children))
    return set()


def literal(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    assert statement.value is not None
    return list(ast.literal_eval(statement.value))


RULES: list[Callable[[Module], Iterator[Complaint]]] = [
    layers,
    core_is_synchronous_and_sans_io,
    dangerous_and_reserved_modules,
    gevent_ends_with_its_host,
    versions_end_with_the_engine,
    old_clients_have_options_of_their_own,
    few_catch_everything,
    private_names_stay_in_their_package,
    exports,
]


# The rules about the tree


def private_attributes_stay_in_their_package(modules: Iterable[Module]) -> Iterator[str]:
    """`other._name` is for the package that defines `_name`; a face uses `_name` on self only, and defines it too."""
    modules = list(modules)
    own: dict[str, set[str]] = {}
    for module in modules:
        own.setdefault(module.layer, set()).update(private_names_defined(module))
    for module in modules:
        for line, owner, name in private_attributes_used(module):
            on_self = owner in {"self", "cls", "super()"}
            if module.layer in PUBLIC_NAMES_ONLY:
                allowed = on_self and name in own[module.layer]
            else:
                allowed = on_self or name in own[module.layer]
            if not allowed:
                yield f"{module.path}:{line}: {owner}.{name} is private to another package"


def faces_use_public_names(modules: Iterable[Module]) -> Iterator[str]:
    """A face takes from other packages what a module of theirs lists in __all__, and what `errors` and `types` have."""
    modules = list(modules)
    exported = {module.name: exported_by(module) for module in modules}
    for module in modules:
        if module.layer not in PUBLIC_NAMES_ONLY:
            continue
        for line, origin, name in names_taken(module):
            public = exported.get(origin)
            if layer_of(origin) == module.layer or origin in PUBLIC_AS_A_WHOLE:
                continue
            if public is None:
                yield f"{module.path}:{line}: {origin} is not public: it has no __all__"
            elif name and name not in public:
                yield f"{module.path}:{line}: {origin} does not list {name} in __all__"


def names_taken(module: Module) -> Iterator[tuple[int, str, str]]:
    """Yield what a module takes from ours, as `imports` does, and what it reads of modules that it imports whole."""
    yield from (taken for taken in module.imports if taken[1].split(".")[0] == "waterspout")
    whole = whole_modules(module)
    for node in module.nodes:
        match node:
            case ast.Attribute(value=owner, attr=name) if origin := whole.get(ast.unparse(owner)):
                if f"{origin}.{name}" not in module.names:
                    yield node.lineno, origin, name


def whole_modules(module: Module) -> dict[str, str]:
    """Return which modules of ours it has as a whole, by what it calls them."""
    found = {}
    for node in module.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = f"{module.absolute(node)}." if isinstance(node, ast.ImportFrom) else ""
            found.update({alias.asname or alias.name: f"{origin}{alias.name}" for alias in node.names})
    return {called: name for called, name in found.items() if name in module.names}


def private_attributes_used(module: Module) -> Iterator[tuple[int, str, str]]:
    for node in module.nodes:
        match node:
            case ast.Attribute(value=owner, attr=name) if is_private(name):
                if ast.unparse(node) not in NOT_PRIVATE:
                    yield node.lineno, ast.unparse(owner), name
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[owner, ast.Constant(value=str(name)), *_]
            ):
                if is_private(name):
                    yield node.lineno, ast.unparse(owner), name


def private_names_defined(module: Module) -> set[str]:
    """Private functions, classes and variables, `self._name = ...`, and the words of __slots__."""
    names = set()
    for node in module.nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=value):
                names.update(
                    n.value for n in ast.walk(value) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                )
    return {name for name in names if is_private(name)}


def no_cycles(modules: Iterable[Module]) -> Iterator[str]:
    between_modules: dict[str, set[str]] = {}
    between_layers: dict[str, set[str]] = {}
    for module in modules:
        for line, target in module.inner_imports:
            if layer_of(target) != module.layer or line not in module.for_types_only:
                between_modules.setdefault(module.name, set()).add(target)
            if layer_of(target) != module.layer:
                between_layers.setdefault(module.layer, set()).add(layer_of(target))
    for graph in between_modules, between_layers:
        if cycle := find_cycle(graph):
            yield f"a cycle of imports: {' -> '.join(cycle)}"


def find_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the first cycle found, its start repeated at the end, or nothing."""
    done: set[str] = set()

    def walk(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return []
        for target in sorted(graph.get(node, ())):
            if cycle := walk(target, [*trail, node]):
                return cycle
        done.add(node)
        return []

    return next((cycle for node in sorted(graph) if (cycle := walk(node, []))), [])


def check(sources: Mapping[str, str]) -> list[str]:
    """Return a line for each breach in these sources, which are keyed by path below src/waterspout."""
    names = frozenset(name for path in sources for name in lineage(name_of(path)))
    modules = [Module(path, source, names) for path, source in sources.items()]
    breaches = [f"{m.path}:{line}: {words}" for m in modules for rule in RULES for line, words in rule(m)]
    return [
        *breaches,
        *private_attributes_stay_in_their_package(modules),
        *faces_use_public_names(modules),
        *no_cycles(modules),
    ]
