"""The command line, as a person or a supervisor uses it: real processes, sockets and signals."""

import http.client
import json
import logging
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import waterspout
from hosts import flash
from missing import missing
from ports import free_port
from serving import PATIENCE, Client, Command, running
from waterspout import CannotStart, cli

IPV6 = Path("/proc/net/if_inet6").exists()

ECHO = """
import asyncio, threading, time
import waterspout

server = waterspout.Server(shutdown_timeout=60)
number = 5

@server.on("version")
def version(socket):
    return 1

@server.on("block")
def block(socket):
    print("blocked", flush=True)
    while True:
        time.sleep(0.01)

@server.on("thread")
def thread(socket):
    threading.Thread(target=threading.Event().wait).start()
    return "started"
"""

ENGINE = """
import waterspout

class Echo:
    def open(self, session, request): pass
    def message(self, session, data): session.send(data)
    def close(self, session, reason): pass

engine = waterspout.Engine(Echo())
"""

Refusal = Callable[..., str]
QUERY = "/socket.io/?EIO=4&transport=polling"
EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a server: `app:server`."""
    (tmp_path / "app.py").write_text(ECHO)
    return tmp_path


def serve(
    folder: Path, *options: str, target: str = "app:server", joined: bool = False
) -> AbstractContextManager[Command]:
    return running(folder, "serve", target, *(options or ("--bind", "127.0.0.1:0")), joined=joined)


def entered(address: str, **options: Any) -> Client:
    """Connect over WebSocket and enter "/"."""
    client = Client(address, **options)
    client.enter()
    return client


def version(address: str, **options: Any) -> str:
    """Ask the served module which version it is."""
    with entered(address, **options) as client:
        return client.ask('420["version"]')


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def handshake(connection: http.client.HTTPConnection) -> dict[str, Any]:
    """Open a session by long polling, and close it."""
    connection.request("GET", QUERY)
    opened: dict[str, Any] = json.loads(connection.getresponse().read()[1:])
    connection.request("POST", f"{QUERY}&sid={opened['sid']}", b"1")
    assert connection.getresponse().read() == b"ok"
    connection.close()
    return opened


@pytest.mark.parametrize("loop", ["auto", "uvloop", "asyncio"])
def test_a_server_is_served_at_the_address_that_is_printed(folder: Path, loop: str) -> None:
    with serve(folder, "--bind", "127.0.0.1:0", "--loop", loop) as command:
        assert version(command.address()) == "430[1]"


def test_an_ipv6_address_stands_in_brackets(folder: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serve(folder, "--bind", "[::1]:0") as command:
        address = command.address()
        assert address.startswith("http://[::1]:")
        assert version(address) == "430[1]"


def test_an_engine_is_served_too(folder: Path) -> None:
    (folder / "bare.py").write_text(ENGINE)
    with serve(folder, target="bare:engine") as command, Client(command.address(), path="/engine.io") as client:
        assert client.ask("4hello") == "4hello"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_signal_tells_the_clients_and_ends_with_status_0(folder: Path, loop: str, number: signal.Signals) -> None:
    with serve(folder, "--bind", "127.0.0.1:0", "--loop", loop) as command, entered(command.address()) as client:
        command.process.send_signal(number)
        assert client.until_closed() == "close 1001"
        assert command.end() == 0
        assert command.log.read_text() == ""


def test_a_parked_poll_is_answered_at_the_end(folder: Path) -> None:
    with serve(folder) as command:
        host = command.address().removeprefix("http://")
        poll = http.client.HTTPConnection(host, timeout=PATIENCE)
        poll.request("GET", QUERY)
        sid = json.loads(poll.getresponse().read()[1:])["sid"]
        poll.request("GET", f"{QUERY}&sid={sid}")
        # The server answers requests in the order of their arrival, so the poll is parked once this one is answered.
        handshake(http.client.HTTPConnection(host, timeout=PATIENCE))
        command.process.terminate()
        answer = poll.getresponse()
        assert (answer.status, answer.read()) == (200, b"1")
        poll.close()
        assert command.end() == 0


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_second_signal_ends_at_once_even_if_a_handler_blocks(folder: Path, loop: str) -> None:
    with serve(folder, "--bind", "127.0.0.1:0", "--loop", loop) as command, entered(command.address()) as client:
        client.send('42["block"]')
        assert command.line() == "blocked"
        command.process.send_signal(signal.SIGTERM)
        command.process.send_signal(signal.SIGINT)
        assert command.end() in (-signal.SIGTERM, -signal.SIGINT)


IMPATIENT = """
import sys
import waterspout
import waterspout
from waterspout import CannotStart, cli
from waterspout.hosts import standalone
standalone.EXIT_TIMEOUT = 0.2
sys.exit(cli.main())
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_handler_that_blocks_cannot_hold_the_process(folder: Path, loop: str) -> None:
    options = ("--bind", "127.0.0.1:0", "--loop", loop)
    command_line = running(folder, "serve", "app:server", *options, program=("-c", IMPATIENT))
    with command_line as command, entered(command.address()) as client:
        client.send('42["block"]')
        assert command.line() == "blocked"
        command.process.terminate()
        assert command.end() == 0


def test_a_thread_of_the_user_cannot_hold_the_process(folder: Path) -> None:
    with running(folder, "serve", "app:server", "--bind", "127.0.0.1:0", program=("-c", IMPATIENT)) as command:
        with entered(command.address()) as client:
            assert client.ask('420["thread"]') == '430["started"]'
        command.process.terminate()
        assert command.end() == 0


# Unix sockets


def test_a_unix_socket_is_served_and_removed_at_the_end(folder: Path) -> None:
    with serve(folder, "--unix", "s.sock") as command:
        assert command.address() == "unix:s.sock"
        assert handshake(UnixConnection(folder / "s.sock"))["pingInterval"] == 25000
        command.process.terminate()
        assert command.end() == 0
    assert not (folder / "s.sock").exists()


def test_a_unix_socket_and_an_address_are_served_together(folder: Path) -> None:
    with serve(folder, "--unix", "s.sock", "--bind", "127.0.0.1:0", "--health", "/up") as command:
        assert version(command.address()) == "430[1]"
        assert handshake(UnixConnection(folder / "s.sock"))
        for method in ("GET", "HEAD"):  # and whether it takes new clients, which needs no process of its own
            connection = UnixConnection(folder / "s.sock")
            connection.request(method, "/up")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b'{"ready":true,"nodes":0}' if method == "GET" else b"")
            connection.close()


def test_a_socket_that_a_killed_process_has_left_is_replaced(folder: Path) -> None:
    with serve(folder, "--unix", "s.sock") as command:
        command.address()
        command.process.kill()
        command.end()
    assert (folder / "s.sock").is_socket()
    with serve(folder, "--unix", "s.sock") as command:
        command.address()
        assert handshake(UnixConnection(folder / "s.sock"))


def test_a_socket_at_which_somebody_listens_is_left_alone(folder: Path) -> None:
    with serve(folder, "--unix", "s.sock") as command:
        command.address()
        assert refused(folder, "serve", "app:server", "--unix", "s.sock") == (
            "cannot listen at 's.sock': another program does; stop it or choose another path"
        )
        assert handshake(UnixConnection(folder / "s.sock"))


# TLS


@pytest.fixture
def certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 in cert.pem, with its key in key.pem."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl is missing: no certificate can be made")
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [openssl, "req", *options.split(), *subject]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    return folder / "cert.pem"


def test_tls_is_served_with_a_certificate_and_its_key(folder: Path, certificate: Path) -> None:
    with serve(folder, "--bind", "127.0.0.1:0", "--certfile", "cert.pem", "--keyfile", "key.pem") as command:
        address = command.address()
        assert address.startswith("https://127.0.0.1:")
        assert version(address, cafile=certificate) == "430[1]"

        context = ssl.create_default_context(cafile=certificate)
        host = address.removeprefix("https://")
        assert handshake(http.client.HTTPSConnection(host, timeout=PATIENCE, context=context))
        command.process.terminate()
        assert command.end() == 0


def test_the_key_may_be_in_the_file_of_the_certificate(folder: Path, certificate: Path) -> None:
    both = folder / "both.pem"
    both.write_text(certificate.read_text() + (folder / "key.pem").read_text())
    with serve(folder, "--bind", "127.0.0.1:0", "--certfile", "both.pem") as command:
        assert version(command.address(), cafile=certificate) == "430[1]"


# What is refused


def sentence_of(status: int, output: str, errors: str) -> str:
    """Return the last line of what a refused command has said; before it there may be the place of a user's error."""
    assert (status, output) == (2, "")
    said = errors.splitlines()
    assert said[-1].startswith("waterspout: ")
    assert len(said) == 1 or said[0].startswith("  File"), errors
    return said[-1].removeprefix("waterspout: ")


def refused(folder: Path, *arguments: str) -> str:
    """Run a command in a process of its own, which must end with status 2, and return its sentence."""
    command = [sys.executable, "-m", "waterspout", *arguments]
    done = subprocess.run(
        command, check=False, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
    )
    return sentence_of(done.returncode, done.stdout, done.stderr)


TICKING = """
import asyncio, waterspout
server = waterspout.Server()

@server.on_start
async def tick():
    print("begun", flush=True)
    try:
        await asyncio.sleep(1000)
    finally:
        print("cancelled", flush=True)

@server.on_stop
async def stop():
    await asyncio.sleep(0)
    print("stopped", flush=True)
"""


@pytest.fixture
def refusal(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Refusal]:
    """Run a command here, which must be refused, and return its sentence; what it has changed is put back."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    access = logging.getLogger("tornado.access")
    modules, level = sys.modules.copy(), access.level

    def run(*arguments: str) -> str:
        status = cli.main(arguments)
        said = capsys.readouterr()
        return sentence_of(status, said.out, said.err)

    yield run
    access.setLevel(level)
    for name in sys.modules.keys() - modules.keys():
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__ or "").parent == folder:
            del sys.modules[name]


def test_a_refusal_is_the_status_of_the_process(folder: Path) -> None:
    assert refused(folder, "serve", "app:gone").startswith("cannot serve 'app:gone': 'app' has no 'gone'; name")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("app", "cannot serve 'app': write module:server, as in chat:server"),
        ("gone:server", "cannot import 'gone': there is no module 'gone' in "),
        ("app.inner:server", "cannot import 'app.inner': there is no module 'app.inner' in "),
        ("app:gone", "cannot serve 'app:gone': 'app' has no 'gone'; name the variable that holds the waterspout"),
        ("app:number", "cannot serve 'app:number': it is of type 'int', not a waterspout.Server or an Engine; "),
        (
            "broken:server",
            "the module 'broken' raises ZeroDivisionError at broken.py:1: division by zero; correct it and",
        ),
        (
            "wrong:server",
            "the module 'wrong' raises SyntaxError at wrong.py:1: ",
        ),
        (
            "needy:server",
            "the module 'needy' raises ModuleNotFoundError at needy.py:1: No module named 'not_there'; correct the "
            "name, or install its package for this Python, ",
        ),
        (
            "eager:server",
            "the module 'eager' raises RuntimeError at eager.py:4: no running event loop; begin this in an `async def` "
            "with @server.on_start above it, which is called when the server starts",
        ),
        ("odd:server", "the module 'odd' raises TypeError at odd.py:2: Server.__init__() got an unexpected keyword"),
        ("deaf:server", "the module 'deaf' raises TypeError at deaf.py:3: the handler of 'say' "),
        ("app.py:server", "cannot serve 'app.py:server': that is a file, not a module; write app:server"),
        ("app.py", "cannot serve 'app.py': that is a file, not a module; write app:server"),
        ("./app.py:it", "cannot serve './app.py:it': that is a file, not a module; write app:it"),
        ("chat/app:server", "cannot serve 'chat/app:server': that is a file, not a module; write chat.app:server"),
        (
            "/chat/app.py:it",
            "cannot serve '/chat/app.py:it': that is a file, not a module; write app:it in the directory",
        ),
        (".app:server", "cannot serve '.app:server': that is a file, not a module; write app:server"),
        (
            "app:waterspout.Server",
            "cannot serve 'app:waterspout.Server': it is the class 'Server' itself; call it, as in",
        ),
        (
            "app:version",
            "cannot serve 'app:version': it is a function; call it, as in server = make_server(), and name",
        ),
        ("pages:wsgi", "cannot serve 'pages:wsgi': it is an application; name the server first, as in chat:server"),
        (
            "pages:asgi",
            "cannot serve 'pages:asgi': it is an application; name the server first, as in "
            "chat:server --host uvicorn --app pages:asgi, or --host uvicorn --app pages:asgi alone where the",
        ),
        (
            "pages:ours",
            "cannot serve 'pages:ours': it is of type 'Application', not a waterspout.Server or an Engine; an",
        ),
        (
            "--app pages:wsgi",
            "what is to be served? Give module:server, as in chat:server; only --host uvicorn and gevent serve "
            "pages:wsgi alone",
        ),
        (
            "app:server --host uvicron",
            "there is no host 'uvicron': choose tornado, gevent, uvicorn, or write an address",
        ),
        (
            "app:server --host granian",
            "granian has a command of its own: granian --interface asgi module:app, with App",
        ),
        ("app:server --port 8013", "host and port are given together here: write --bind localhost:8013"),
        ("app:server --host 0.0.0.0", "host and port are given together here: write --bind 0.0.0.0:8000"),
        ("app:server --bind localhost", "cannot bind 'localhost': write HOST:PORT with a port from 0 to 65535, as in"),
        ("app:server --unix no/s.sock", "cannot listen at 'no/s.sock': there is no directory 'no'; make it"),
        ("app:server --static gone", "cannot serve the files of 'gone': there is no such directory; make it"),
        (
            "app:server --static .",
            "cannot serve the files of '.': app.py is among them, and everybody could read it; put",
        ),
        ("app:server --bind 127.0.0.1:65536", "cannot bind '127.0.0.1:65536': write HOST:PORT"),
        ("app:server --bind ::1:80", "cannot bind '::1:80': write HOST:PORT with a port from 0 to 65535"),
        ("app:server --bind no.such.invalid:0", "cannot listen at no.such.invalid:0: the host name is not known"),
        ("app:server --unix app.py", "cannot listen at 'app.py': a file that is no socket is there; remove it or"),
        ("app:server --unix no/such/folder", "cannot listen at 'no/such/folder': "),
        ("app:server --entry app.py", "cannot listen at '"),
        ("app:server --health up", "the path 'up' cannot be exposed: give one that is free, and begins with a slash"),
        (
            "--host gevent --app json:dumps --health /up",
            "--health tells of a server: give module:server, or leave it out",
        ),
        ("bare:engine --health /up", "cannot tell the health of bare:engine, which is no waterspout.Server"),
        ("bare:engine --bind 127.0.0.1:0 --entry e", "cannot open the entry 'e': it is for a waterspout.Server, which"),
        ("app:server --certfile gone.pem", "cannot read 'gone.pem': No such file or directory; give a PEM certificate"),
        ("app:server --certfile app.py --keyfile gone.pem", "cannot read 'gone.pem': No such file or directory; give"),
        ("app:server --certfile app.py", "cannot use the certificate 'app.py': "),
        ("app:server --keyfile app.py", "cannot use the key 'app.py' alone: give its certificate with --certfile"),
        ("app:server --unix s.sock --certfile app.py", "cannot use 'app.py' on a Unix socket: give --bind too"),
        (
            "app:server --unix s.sock --flash-policy-port 843",
            "cannot answer Flash on port 843 beside a Unix socket: give",
        ),
        ("app:server --flash-policy-domain a.example", "cannot allow the films of 'a.example' alone: give the port"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(
    folder: Path, refusal: Refusal, arguments: str, sentence: str
) -> None:
    (folder / "bare.py").write_text(ENGINE)
    (folder / "broken.py").write_text("1 / 0")
    (folder / "wrong.py").write_text("def")
    (folder / "needy.py").write_text("import not_there")
    (folder / "pages.py").write_text(
        "class Pages:\n    def __call__(self): ...\nclass Async:\n    async def __call__(self): ...\n"
        "from tornado.web import Application\nwsgi, asgi, ours = Pages(), Async(), Application()"
    )
    (folder / "eager.py").write_text(
        "import asyncio\nasync def tick(): ...\n\nasyncio.create_task(tick())\nserver = None\n"
    )
    (folder / "deaf.py").write_text(
        "import waterspout\nserver = waterspout.Server()\n@server.on('say')\ndef say(): ...\n"
    )
    (folder / "odd.py").write_text("import waterspout\nserver = waterspout.Server(fast=True)")
    assert refusal("serve", *arguments.split()).startswith(sentence)


def test_a_package_that_is_missing_is_told_of_at_the_line_that_needs_it(folder: Path) -> None:
    (folder / "alone.py").write_text(
        "import sys\nimport waterspout\nsys.modules['redis'] = None\nserver = waterspout.Server(adapter='redis://')"
    )
    sentence = "the module 'alone' raises ImportError at alone.py:4: the package redis is missing: pip"
    assert refused(folder, "serve", "alone:server").startswith(sentence)


def test_an_address_that_this_machine_has_not_is_named(folder: Path) -> None:
    said = refused(folder, "serve", "app:server", "--bind", "192.0.2.1:0")
    assert said.startswith("cannot listen at 192.0.2.1:0: this machine has no such address")


def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(folder, "serve", "app:server", "--bind", place)
    assert said == (
        f"cannot listen at {place}: it is in use; stop the program that listens there, "
        f"or choose another port (0 takes a free one)"
    )


@pytest.mark.usefixtures("certificate")
def test_a_certificate_without_its_key_is_refused_with_the_option_for_it(refusal: Refusal) -> None:
    assert refusal("serve", "app:server", "--certfile", "cert.pem") == (
        "cannot use the certificate 'cert.pem': its key is not in the same file; name it with --keyfile"
    )


def test_a_key_that_is_encrypted_wants_a_terminal(folder: Path, certificate: Path) -> None:
    options = "pkey -in key.pem -aes128 -passout pass:secret -out locked.pem"
    subprocess.run(["openssl", *options.split()], cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    arguments = ("serve", "app:server", "--certfile", "cert.pem", "--keyfile", "locked.pem")
    sentence = "cannot use the key 'locked.pem': it is encrypted, and there is no terminal to ask for its passphrase"
    assert refused(folder, *arguments).startswith(sentence)


def test_an_unreadable_certificate_is_named(folder: Path, refusal: Refusal) -> None:
    (folder / "secret.pem").mkdir()  # root may read every file, but nobody a directory
    said = refusal("serve", "app:server", "--certfile", "secret.pem")
    assert said == "cannot read 'secret.pem': Is a directory; give a PEM certificate that this user may read"


def test_an_unknown_option_shows_the_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", "app:server", "--fast"])
    assert ended.value.code == 2
    assert "usage: waterspout" in capsys.readouterr().err


def test_an_unknown_loop_shows_the_names_of_those_there_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["serve", "app:server", "--loop", "trio"])
    said = capsys.readouterr().err
    assert all(name in said for name in ("auto", "uvloop", "asyncio"))
    assert "<Loop" not in said


@pytest.mark.parametrize("port", ["0", "65536", "843x", "-1"])
def test_what_is_no_port_for_flash_is_refused_with_the_usual_one(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", "app:server", f"--flash-policy-port={port}"])
    assert ended.value.code == 2
    assert f"{port!r} is not a port: give a number from 1 to 65535; Flash asks at 843 first" in capsys.readouterr().err


def policy_for_flash(port: int) -> bytes:
    """Ask for the policy, and read until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(b"<policy-file-request/>\0")
        return b"".join(iter(lambda: connection.recv(1000), b""))


def version_for_flash(address: str) -> str:
    """Ask the served module which version it is, over the WebSocket of a page with Flash."""
    name, _, port = address.rpartition("/")[2].partition(":")
    handshake = http.client.HTTPConnection(name, int(port), timeout=PATIENCE)
    handshake.request("GET", "/socket.io/1/?t=1")
    sid = handshake.getresponse().read().decode().partition(":")[0]
    handshake.close()
    connection = socket.create_connection((name, int(port)), timeout=PATIENCE)
    return flash.ask(connection, f"/socket.io/1/flashsocket/{sid}", address, '5:1+::{"name":"version"}')


@pytest.mark.parametrize(
    ("options", "domains"),
    [
        ((), ["*"]),
        (("--flash-policy-domain", "a.example", "--flash-policy-domain", "*.b.example"), ["a.example", "*.b.example"]),
    ],
)
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_flash_is_answered_beside_the_server(
    folder: Path, loop: str, options: tuple[str, ...], domains: list[str]
) -> None:
    port = free_port()
    ours = ("--bind", "127.0.0.1:0", "--loop", loop, "--flash-policy-port", str(port))
    with serve(folder, *ours, *options) as command:
        address = command.address()
        own = address.rpartition(":")[2]
        allowed = "".join(f'<allow-access-from domain="{domain}" to-ports="{own}"/>' for domain in domains)
        assert policy_for_flash(port) == f"<cross-domain-policy>{allowed}</cross-domain-policy>\0".encode()
        assert version_for_flash(address) == "6:::1+[1]"
        assert version(address) == "430[1]"
    with pytest.raises(ConnectionRefusedError):
        policy_for_flash(port)


def test_a_port_for_flash_that_is_taken_is_logged_and_the_server_serves(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serve(folder, "--bind", "127.0.0.1:0", "--flash-policy-port", str(port)) as command:
            assert version(command.address()) == "430[1]"
            assert f"no policy for Flash: port {port} cannot be had" in command.log.read_text()


def test_the_level_of_the_log_may_be_written_large(folder: Path) -> None:
    with serve(folder, "--bind", "127.0.0.1:0", "--log-level", "INFO") as command:
        assert version(command.address()) == "430[1]"


def test_a_server_that_is_open_to_the_network_says_so(folder: Path) -> None:
    with serve(folder, "--bind", "0.0.0.0:0") as command:
        line = command.line()
        assert line.startswith("Waterspout serves app:server at http://127.0.0.1:")
        assert line.endswith("/ (open to the network at 0.0.0.0; stop: Ctrl+C)")


def test_a_syntax_error_is_shown_with_its_line(folder: Path) -> None:
    (folder / "wrong.py").write_text("number = 1\nnumber = = 2\n")
    command = [sys.executable, "-m", "waterspout", "serve", "wrong:server"]
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert "number = = 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_background_tasks_begin_with_the_process_and_end_with_it(folder: Path) -> None:
    (folder / "ticking.py").write_text(TICKING)
    with serve(folder, "--bind", "127.0.0.1:0", target="ticking:server", joined=True) as command:
        command.until("begun")
        command.process.terminate()
        command.until("stopped")
        command.until("cancelled")
        assert command.end() == 0


# Several addresses, and sockets that were opened before


@pytest.mark.skipif(not IPV6, reason="this machine has no IPv6")
def test_without_a_host_both_addresses_of_this_machine_are_served_at_one_port(folder: Path) -> None:
    with serve(folder, "--bind", "0") as command:
        line = command.line()
        found = re.fullmatch(
            r"Waterspout serves app:server at (http://127\.0\.0\.1:(\d+)/) and (http://\[::1\]:(\d+)/) \(stop: .*", line
        )
        assert found, line
        assert found[2] == found[4]
        assert version(found[1].rstrip("/")) == version(found[3].rstrip("/")) == "430[1]"


def test_several_addresses_are_served_and_named(folder: Path) -> None:
    with serve(folder, "--bind", "127.0.0.1:0", "--bind", "127.0.0.2:0", "--unix", "s.sock") as command:
        line = command.line()
        addresses = re.findall(r"http://\S+(?=/ )", line)
        assert [address.rpartition(":")[0] for address in addresses] == ["http://127.0.0.1", "http://127.0.0.2"]
        assert " and unix:s.sock (stop" in line
        assert [version(address) for address in addresses] == ["430[1]"] * 2


def test_one_address_of_several_that_is_taken_is_named_and_the_others_are_closed(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(folder, "serve", "app:server", "--bind", "127.0.0.2:0", "--bind", place)
    assert said.startswith(f"cannot listen at {place}: it is in use")


ACTIVATED = """
import fcntl, os, socket, sys
kinds, rest = sys.argv[1].split(","), sys.argv[2:]
made = []
for kind in kinds:
    if kind == "tcp":
        made.append(socket.create_server(("127.0.0.1", 0)))
    elif kind == "unix":
        made.append(socket.socket(socket.AF_UNIX))
        made[-1].bind("given.sock")
        made[-1].listen()
    elif kind == "udp":
        made.append(socket.socket(type=socket.SOCK_DGRAM))
    else:
        made.append(open(os.devnull))
high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 20) for one in made]
for number, descriptor in enumerate(high, 3):
    os.dup2(descriptor, number)
    os.close(descriptor)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=":".join(kinds))
os.execv(sys.executable, [sys.executable, "-m", "waterspout", "serve", "app:server", *rest])
"""
NOSY = """
import os
print("left:", [name for name in os.environ if name.startswith("LISTEN")], os.get_inheritable(3), flush=True)
"""


def activated(folder: Path, *arguments: str) -> AbstractContextManager[Command]:
    """Serve at sockets that were opened before, as systemd does it."""
    return running(folder, *arguments, program=("-c", ACTIVATED))


def test_sockets_of_systemd_are_served_and_no_child_takes_them(folder: Path) -> None:
    (folder / "app.py").write_text(NOSY + ECHO)
    with activated(folder, "tcp,unix") as command:
        command.until("left: [] False")
        line = command.line()
        address, path = re.findall(r"http://\S+(?=/ )|unix:\S+", line)
        assert path == "unix:given.sock"
        assert version(address) == "430[1]"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(folder / "given.sock"))
            client.sendall(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
        command.process.terminate()
        assert command.end() == 0
    assert (folder / "given.sock").is_socket()  # it is systemd's


def test_addresses_that_are_asked_for_are_served_beside_the_sockets_of_systemd(folder: Path) -> None:
    with activated(folder, "unix", "--bind", "127.0.0.1:0") as command:
        line = command.line()
        assert re.search(r" at unix:given.sock and http://127.0.0.1:\d+/ \(stop", line), line


def test_with_reload_each_server_takes_the_sockets_of_systemd(folder: Path) -> None:
    with activated(folder, "tcp", "--reload") as command:
        address = command.address()
        assert version(address) == "430[1]"
        change(folder, ECHO.replace("return 1", "return 2 "))
        assert command.address() == address
        assert version(address) == "430[2]"
        command.process.terminate()
        assert command.end() == 0


@pytest.mark.parametrize(
    ("kinds", "sentence"),
    [
        ("tcp,udp", "cannot listen at descriptor 4 (udp), which was opened for this process: it does not listen for"),
        ("file", "cannot listen at descriptor 3 (file), which was opened for this process: Socket operation on"),
    ],
)
def test_descriptors_that_cannot_be_served_are_named(folder: Path, kinds: str, sentence: str) -> None:
    command = [sys.executable, "-W", "error", "-c", ACTIVATED, kinds]
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert sentence_of(done.returncode, done.stdout, done.stderr).startswith(sentence)


# A page beside the server


def fetched(address: str, path: str) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=PATIENCE)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, answer.getheader("Content-Type")


def test_a_page_is_served_beside_the_server_and_nothing_outside_its_directory(folder: Path) -> None:
    public = folder / "public"
    (public / "sub").mkdir(parents=True)
    (public / "index.html").write_text("the page")
    (public / "sub" / "a.js").write_text("the script")
    (public / "sub" / "b.css").write_text("/* \u00fc */", "utf-8")
    (public / "sub" / "c.png").write_bytes(b"a picture")
    (public / ".env").write_text("secret")
    (public / "link").symlink_to(folder / "app.py")
    with serve(folder, "--bind", "127.0.0.1:0", "--static", "public") as command:
        address = command.address()
        assert fetched(address, "/") == (200, b"the page", "text/html; charset=utf-8")
        status, script, kind = fetched(address, "/sub/a.js")
        assert (status, script, (kind or "").partition("/")[2]) == (200, b"the script", "javascript; charset=utf-8")
        assert fetched(address, "/sub/b.css") == (200, "/* \u00fc */".encode(), "text/css; charset=utf-8")
        assert fetched(address, "/sub/c.png") == (200, b"a picture", "image/png")
        for path in ("/.env", "/link", "/../app.py", "/%2e%2e/app.py", "/sub/../../app.py", "//etc/passwd", "/%00"):
            status, body, _ = fetched(address, path)
            assert status in (403, 404), path
            assert b"import" not in body
            assert b"secret" not in body
        assert version(address) == "430[1]"


@pytest.mark.parametrize("query", ["", "?<script>alert(1)</script>"])
def test_who_looks_for_a_page_where_there_is_none_is_told_where_clients_connect(folder: Path, query: str) -> None:
    with serve(folder, "--bind", "127.0.0.1:0") as command:
        address = command.address()
        sentence = b"There is no page here: clients connect at /socket.io (and --static DIR serves pages).\n"
        assert fetched(address, "/" + query) == (404, sentence, "text/plain; charset=utf-8")
        assert fetched(address, "/elsewhere" + query)[0] == 404
        assert version(address) == "430[1]"


# waterspout.run


RUN = """
import sys, waterspout
waterspout.run(waterspout.Server(), **eval(sys.argv[1]))
"""


def test_run_prints_where_it_serves_and_serves_a_page(folder: Path) -> None:
    (folder / "public").mkdir()
    (folder / "public" / "index.html").write_text("the page")
    options = "{'port': 0, 'static': 'public'}"
    with running(folder, options, program=("-c", RUN)) as command:
        address = command.address()
        assert fetched(address, "/")[1] == b"the page"
        command.process.terminate()
        assert command.end() == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"port": 70000}, "cannot listen at the port 70000: give a number from 0, which takes a free one, to 65535"),
        ({"port": -1}, "cannot listen at the port -1: give a number from 0"),
        ({"port": None}, "cannot listen at the port None: give a number from 0"),
        ({"port": True}, "cannot listen at the port True: give a number from 0"),
        ({"port": "80"}, "cannot listen at the port '80': give a number from 0"),
        ({"host": None}, "cannot listen at the host None: give 127.0.0.1, or 0.0.0.0 for all interfaces"),
        ({"host": ""}, "cannot listen at the host '': give 127.0.0.1"),
        (
            {"host": "0.0.0.0:80"},
            "cannot listen at the host '0.0.0.0:80': give an address without brackets, and the port",
        ),
        ({"host": "[::1]"}, "cannot listen at the host '[::1]': give an address without brackets"),
        ({"static": "no/such"}, "cannot serve the files of 'no/such': there is no such directory"),
    ],
)
def test_run_refuses_what_cannot_be_with_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CannotStart) as refusal:
        waterspout.run(waterspout.Server(), **options)
    assert str(refusal.value).startswith(sentence)


def test_run_says_that_a_port_is_taken_without_a_tour_through_its_insides(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-c", RUN, f"{{'port': {taken.getsockname()[1]}}}"]
        done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    said = done.stderr.splitlines()
    assert "it is in use; stop the program that listens there" in said[-1]
    assert sum(line.startswith("  File") for line in said) == 2


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("waterspout ")


# --reload


def reloading(folder: Path, *, joined: bool = False) -> AbstractContextManager[Command]:
    return serve(folder, "--bind", "127.0.0.1:0", "--reload", joined=joined)


def change(folder: Path, source: str) -> None:
    """Replace the module in one step, as editors do."""
    (folder / "new").write_text(source)
    (folder / "new").replace(folder / "app.py")


def test_a_changed_file_starts_the_server_again(folder: Path) -> None:
    with reloading(folder) as command:
        assert version(command.address()) == "430[1]"
        change(folder, ECHO.replace("return 1", "return 2 "))
        assert version(command.address()) == "430[2]"
        command.process.terminate()
        assert command.end() == 0


def test_the_clients_are_told_of_a_reload(folder: Path) -> None:
    with reloading(folder) as command, entered(command.address()) as client:
        change(folder, ECHO + "# changed")
        assert client.until_closed() == "close 1001"


def test_a_file_that_is_broken_by_a_change_is_waited_out(folder: Path) -> None:
    with reloading(folder, joined=True) as command:
        command.address()
        change(folder, "def broken(")
        command.until("SyntaxError")
        command.until("waits for a change")
        change(folder, ECHO.replace("return 1", "return 3 "))
        command.until("starting again")
        assert version(command.address()) == "430[3]"


def test_with_reload_too_a_server_that_cannot_start_ends_with_its_status(folder: Path) -> None:
    assert refused(folder, "serve", "gone:server", "--reload").startswith("cannot import 'gone'")


def test_a_signal_to_the_supervisor_tells_the_clients(folder: Path) -> None:
    with reloading(folder) as command, entered(command.address()) as client:
        command.process.send_signal(signal.SIGINT)
        assert client.until_closed() == "close 1001"
        assert command.end() == 0


def test_a_killed_supervisor_leaves_no_server_behind(folder: Path) -> None:
    with reloading(folder) as command:
        command.address()
        command.process.kill()
        command.rest()


# The examples


def test_the_echo_example_answers_with_what_was_sent(folder: Path) -> None:
    shutil.copy(EXAMPLES / "echo.py", folder)
    with serve(folder, target="echo:server") as command, entered(command.address()) as client:
        assert client.ask('421["echo","héllo",{"n":1}]') == '431["héllo",{"n":1}]'


def test_the_jsonp_example_answers_the_partners_pages_and_no_others(folder: Path) -> None:
    shutil.copy(EXAMPLES / "jsonp.py", folder)
    with serve(folder, target="jsonp:server") as command:
        address = command.address().removeprefix("http://")
        target = "/socket.io/?EIO=3&transport=polling&j=0"

        def ask(method: str, page: str, body: str = "") -> tuple[int, str]:
            connection = http.client.HTTPConnection(address, timeout=PATIENCE)
            connection.request(method, target, body, {"Referer": page})
            answer = connection.getresponse()
            text = answer.read().decode()
            connection.close()
            return answer.status, text

        assert ask("GET", "https://evil.example/")[0] == 403
        _, script = ask("GET", "https://partner.example/prices")
        found = re.match(r'/\*\*/___eio\[0\]\("[0-9]+:0\{\\"sid\\":\\"([^\\]+)', script)
        assert found, script
        target += f"&sid={found[1]}"
        assert ask("POST", "https://partner.example/", "d=18%3A421%5B%22price%22%2C%22tea%22%5D") == (200, "ok")
        assert ask("GET", "https://partner.example/")[1] == '/**/___eio[0]("6:431[3]");'


def test_the_chat_example_passes_texts_on(folder: Path) -> None:
    shutil.copy(EXAMPLES / "chat.py", folder)
    with serve(folder, target="chat:server") as command:
        address = command.address()
        with Client(address) as nobody, Client(address) as bob:
            assert nobody.ask("40") == '44{"message":"Choose a name of 1 to 24 characters."}'
            with Client(address) as ada:
                ada.enter('{"name":"Ada"}')
                bob.enter('{"name":"Bob"}')
                assert ada.receive() == '42["came","Bob"]'
                assert ada.ask('421["say","hello"]') == "431[1]"
                assert bob.receive() == '42["said","Ada","hello"]'
            assert bob.receive() == '42["left","Ada"]'


# Addresses


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("localhost:0", ("localhost", 0)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
        ("[::1]:80", ("::1", 80)),
        ("8013", ("localhost", 8013)),
        (":8013", ("localhost", 8013)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, place: tuple[str, int]) -> None:
    assert cli.parse_bind(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "localhost",
        "localhost:",
        "a:-1",
        "a:65536",
        "a:１",
        "::1:80",
        "[]:1",
        "a b:1",
        "a:1\n",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(CannotStart) as refusal:
        cli.parse_bind(text)
    assert str(refusal.value).startswith(f"cannot bind {text!r}: write HOST:PORT")
