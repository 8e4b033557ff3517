"""The command line: `waterspout serve module:server`, `publish`, `emit` and `demo`."""

import argparse
import logging
import re
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from waterspout import CannotStart, Server
from waterspout.hosts import reload, standalone
from waterspout.hosts.certificates import tls
from waterspout.hosts.listeners import LOCALHOST, announce, inherited
from waterspout.hosts.patching import patch
from waterspout.hosts.static import static_routes
from waterspout.hosts.tornado import Mountable
from waterspout.hosts.wsgithreads import MAX_BYTES

from . import hosts, outside
from .target import load, load_application, load_asgi, source_of

__all__ = ["load", "main", "parse_bind"]

DEFAULT_HOST, DEFAULT_PORT = LOCALHOST, 8000
DEFAULT_BIND = f"{DEFAULT_HOST}:{DEFAULT_PORT}"
LEVELS = ("debug", "info", "warning", "error", "critical")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 in order, 2 for what the caller can mend, 1 if a server refuses."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    options.arguments = arguments
    if hasattr(options, "log_level"):
        _log(options.log_level)
    try:
        if getattr(options, "reload", False):
            return reload.supervise(_child(arguments), Path.cwd())
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
    except CannotStart as error:
        print(f"waterspout: {error}", file=sys.stderr)
        return 2
    except outside.NotCarriedOut as error:
        print(f"waterspout: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parse_bind(text: str) -> tuple[str, int]:
    """Split HOST:PORT, or take a port of localhost; an IPv6 address stands in brackets, port 0 is any free one."""
    found = re.fullmatch(r"(?:(?:\[([^\[\]]+)\]|([^:\[\]\s]+))?:)?([0-9]{1,5})", text)
    if found is None or int(found[3]) > 65535:
        raise CannotStart(
            f"cannot bind {text!r}: write HOST:PORT with a port from 0 to 65535, as in 127.0.0.1:8000 or [::1]:8000"
        )
    return found[1] or found[2] or DEFAULT_HOST, int(found[3])


def _serve(options: argparse.Namespace) -> None:
    _check_place(options)
    hosts.check(options)
    if options.host == hosts.GEVENT:
        patch(options.arguments)
    _use_adapter(options.adapter)
    serve = {hosts.GEVENT: _serve_on_gevent, hosts.UVICORN: _serve_on_uvicorn}.get(options.host, _serve_at)
    with inherited(by_parent=options.supervised) as sockets:  # before a module may start a process
        serve(options, sockets)


def _use_adapter(url: str | None) -> None:
    """Let servers have this adapter, before a module makes one: that of the application may, too."""
    if url is None:
        return
    try:
        Server.open_adapter(url)
    except (ValueError, ImportError) as error:
        raise CannotStart(f"cannot join other nodes: {error}") from None
    Server.default_adapter = url


def _serve_on_gevent(options: argparse.Namespace, sockets: list[socket.socket]) -> None:
    from waterspout.hosts.gevent import Place

    application = _load_app(options)
    server = None if options.target is None else _load(options)
    bind, names = _places(options, sockets)
    hosts.run(
        hosts.application_of(server, application),
        Place(bind=bind, unix=options.unix, inherited=sockets, tls=_tls(options, has_tcp=bool(names))),
        ready=lambda urls: announce(options.target or options.app, urls, names),
        stop_with_stdin=options.supervised,
    )


def _serve_on_uvicorn(options: argparse.Namespace, sockets: list[socket.socket]) -> None:
    application = None if options.app is None else load_asgi(options.app)
    server = None if options.target is None else _load(options)
    bind, names = _places(options, sockets)
    secure = _tls(options, has_tcp=bool(names))
    if secure is not None and options.unix is not None:
        raise CannotStart(f"cannot listen at {options.unix!r} without TLS on uvicorn, where all places have it or none")
    tls = {"certfile": options.certfile, "keyfile": options.keyfile}
    hosts.serve_on_uvicorn(
        server,
        application,
        options.app,
        {"bind": bind, "unix": options.unix, "inherited": sockets, "loop": options.loop, **tls},
        ready=lambda urls: announce(options.target or options.app, urls, names),
        stop_with_stdin=options.supervised,
    )


def _serve_at(options: argparse.Namespace, sockets: list[socket.socket]) -> None:
    app = _load_app(options)
    mountable = _load(options)
    bind, names = _places(options, sockets)
    secure = _tls(options, has_tcp=bool(names))
    _check_flash(options, has_tcp=bool(names))
    pages = () if options.static is None else _pages(options)
    standalone.run(
        mountable,
        standalone.Site(
            bind=bind,
            unix=options.unix,
            inherited=sockets,
            ssl_options=secure,
            last_routes=pages,
            flash_policy_port=options.flash_policy_port,
            flash_policy_domains=options.flash_policy_domain or ("*",),
            entry=options.entry,
            app=app,
            app_threads=options.app_threads,
            app_max_bytes=options.app_max_bytes or MAX_BYTES,
        ),
        ready=lambda urls: announce(options.target, urls, names),
        loop=standalone.LoopKind(options.loop),
        owns_process=True,
        stop_with_stdin=options.supervised,
    )


def _load_app(options: argparse.Namespace) -> Callable[..., Any] | None:
    """Load the application, before the server: Django has to be set up before a module of it is imported."""
    return None if options.app is None else load_application(options.app)


def _pages(options: argparse.Namespace) -> list[Any]:
    sources = [source_of(target) for target in (options.target, options.app) if target is not None]
    return static_routes(
        options.static, sources=[each for each in sources if each is not None], only_files=options.app is not None
    )


def _load(options: argparse.Namespace) -> Mountable:
    """Load what is to be served, and let it tell its health."""
    mountable = load(options.target)
    if options.health is not None:
        if not isinstance(mountable, Server):
            raise CannotStart(f"cannot tell the health of {options.target}, which is no waterspout.Server")
        try:
            mountable.expose_health(options.health)
        except ValueError as error:
            raise CannotStart(str(error)) from None
    return mountable


def _demo(options: argparse.Namespace) -> None:
    from waterspout.demo import app  # the demo costs the other commands nothing

    app.run(
        bind=[parse_bind(place) for place in options.bind or [DEFAULT_BIND]],
        client=app.client_file(options.client),
        ready=lambda urls: print(
            f"The Waterspout chat is at {urls[0]} - open it in two windows (stop: Ctrl+C)", flush=True
        ),
        loop=standalone.LoopKind(options.loop),
    )


def _check_place(options: argparse.Namespace) -> None:
    """Refuse a host and a port as other programs take them."""
    address = None if options.host in hosts.NAMES else options.host
    hosts.check_name(address)
    if address is not None or options.port is not None:
        place = f"{address or DEFAULT_HOST}:{options.port or DEFAULT_PORT}"
        raise CannotStart(f"host and port are given together here: write --bind {place}")


def _places(options: argparse.Namespace, sockets: list[socket.socket]) -> tuple[list[tuple[str, int]], list[str]]:
    """Return the addresses, and the names of all hosts that are listened at."""
    bind = _bind(options, sockets)
    tcp = [each for each in sockets if each.family != socket.AF_UNIX]
    return bind, [*(host for host, _ in bind), *(each.getsockname()[0] for each in tcp)]


def _bind(options: argparse.Namespace, sockets: list[socket.socket]) -> list[tuple[str, int]]:
    """Return the addresses; the default if the server has nothing else to listen at."""
    if options.bind is None and (options.unix is not None or sockets):
        return []
    return [parse_bind(place) for place in options.bind or [DEFAULT_BIND]]


def _tls(options: argparse.Namespace, *, has_tcp: bool) -> ssl.SSLContext | None:
    if options.certfile is None:
        if options.keyfile is not None:
            raise CannotStart(f"cannot use the key {options.keyfile!r} alone: give its certificate with --certfile")
        return None
    if not has_tcp:
        raise CannotStart(f"cannot use {options.certfile!r} on a Unix socket: give --bind too, or leave it out")
    return tls(options.certfile, options.keyfile)


def _child(arguments: list[str]) -> list[str]:
    """Return the command that runs the same server, without --reload and under supervision."""
    return [sys.executable, "-m", "waterspout", *(a for a in arguments if a != "--reload"), "--supervised"]


def _check_flash(options: argparse.Namespace, *, has_tcp: bool) -> None:
    if options.flash_policy_port is None and options.flash_policy_domain:
        domain = options.flash_policy_domain[0]
        raise CannotStart(f"cannot allow the films of {domain!r} alone: give the port with --flash-policy-port")
    if options.flash_policy_port is not None and not has_tcp:
        port = options.flash_policy_port
        raise CannotStart(f"cannot answer Flash on port {port} beside a Unix socket: give --bind too, or leave it out")


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port: give a number from 1 to 65535; Flash asks at 843 first"
        )
    return int(text)


def _number(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,14}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def _log(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if level != "debug":
        logging.getLogger("tornado.access").setLevel(logging.WARNING)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("waterspout", description="A real-time server for Python.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"waterspout {version('waterspout')}")
    commands = parser.add_subparsers(title="commands", required=True)

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--bind",
        metavar="HOST:PORT",
        action="append",
        help=f"address; may be repeated (default: {DEFAULT_BIND}, that is 127.0.0.1 and [::1]; port 0: any free port)",
    )
    shared.add_argument("--log-level", choices=LEVELS, type=str.lower, default="info", help="default: info")
    shared.add_argument(
        "--loop", choices=[each.value for each in standalone.LoopKind], default="auto", help="auto: uvloop if installed"
    )

    serve = commands.add_parser("serve", parents=[shared], help="serve a waterspout.Server", allow_abbrev=False)
    serve.set_defaults(command=_serve)
    serve.add_argument(
        "target",
        metavar="module:server",
        nargs="?",
        help="module and variable of a waterspout.Server or Engine; may be left out on uvicorn and gevent, where --app "
        "mounts its own",
    )
    serve.add_argument(
        "--host",
        metavar="NAME",
        default=hosts.TORNADO,
        help="tornado (default), uvicorn, or gevent: its monkey.patch_all() is called before anything else is imported",
    )
    serve.add_argument(
        "--app",
        metavar="module:application",
        help="serve all other paths with this WSGI application: in threads, or in greenlets; on uvicorn an ASGI one",
    )
    serve.add_argument(
        "--app-threads",
        metavar="N",
        type=_number,
        help="threads of --app (default: the number of CPUs and 4, at most 32)",
    )
    serve.add_argument(
        "--app-max-bytes",
        metavar="N",
        type=_number,
        help=f"limit of a body that is sent to --app, and of its answers (default: {MAX_BYTES})",
    )
    serve.add_argument("--unix", metavar="PATH", help="listen at a Unix socket, alone or with --bind")
    serve.add_argument("--certfile", metavar="FILE", help="serve TLS with this certificate chain (PEM)")
    serve.add_argument("--keyfile", metavar="FILE", help="private key, unless it is in --certfile")
    serve.add_argument("--static", metavar="DIR", help="also serve the files of this directory; index.html at /")
    serve.add_argument("--port", help=argparse.SUPPRESS)  # it is --bind here, and whoever writes it is told so
    serve.add_argument("--flash-policy-port", metavar="PORT", type=_port, help="serve Flash's policy file at this port")
    serve.add_argument(
        "--flash-policy-domain", metavar="DOMAIN", action="append", help="allow Flash of a domain (default: all)"
    )
    serve.add_argument(
        "--entry", metavar="PATH", help="Unix socket for `waterspout publish` and `emit`; only this user and root may"
    )
    serve.add_argument(
        "--health", metavar="PATH", help="tell load balancers here whether new clients should come, as at /healthz"
    )
    serve.add_argument(
        "--adapter",
        metavar="URL",
        help="join other nodes through a Redis, as at redis://localhost: for servers that name no adapter themselves",
    )
    serve.add_argument("--reload", action="store_true", help="restart when a Python file here changes")
    serve.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)

    _add_outside(commands)

    demo = commands.add_parser("demo", parents=[shared], help="serve a small chat", allow_abbrev=False)
    demo.set_defaults(command=_demo)
    demo.add_argument(
        "--client", metavar="FILE", help="socket.io.min.js of socket.io-client 4 (default: from npm or a CDN)"
    )
    return parser


def _add_outside(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add what is sent to the entry of a server that runs."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--entry", metavar="PATH", help=f"that of `waterspout serve --entry PATH` (default: {outside.VARIABLE})"
    )
    shared.add_argument(
        "--adapter", metavar="URL", help="instead of an entry: to all servers with this adapter, as redis://localhost"
    )
    shared.add_argument(
        "--path", metavar="PATH", default="/socket.io", help="with --adapter: that of the servers (default: /socket.io)"
    )

    def add(name: str, command: Callable[..., Any], what: str, example: str) -> argparse.ArgumentParser:
        parser = commands.add_parser(
            name,
            parents=[shared],
            help=what,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.set_defaults(command=command)
        return parser

    what = "publish JSON to a channel of a server that runs"
    publish = add("publish", outside.publish, what, outside.PUBLISHING)
    publish.add_argument("channel", metavar="CHANNEL")
    publish.add_argument(
        "data", metavar="JSON", help=f"the message in JSON, as {outside.TEXT}; - reads it from standard input"
    )
    publish.add_argument("--event", metavar="NAME", help="name of the message")
    publish.add_argument("--text", action="store_true", help="it is a text, not JSON, and goes out as it is")
    publish.add_argument("--lines", action="store_true", help="each line of standard input is a message")

    what = "emit an event, with JSON, to clients of a server that runs"
    emit = add("emit", outside.emit, what, outside.EMITTING)
    emit.add_argument("event", metavar="EVENT")
    emit.add_argument(
        "args",
        metavar="JSON",
        nargs="*",
        help=f"its arguments, each in JSON, as {outside.TEXT}; - reads one from standard input",
    )
    emit.add_argument("--to", metavar="ROOM", action="append", help="room, or id of a client; may be repeated")
    emit.add_argument("--namespace", metavar="NAME", default="/", help="default: /")
