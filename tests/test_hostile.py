"""Hostile packets: each ends in a clean close or is ignored, and neither the process nor a neighbour notices.

The rows stand in data/hostile_engineio3.json and data/hostile_engineio4.json. They are tried twice: one by
one on clients in memory, and all in a row over sockets against a server of its own process, whose end must
be clean. Whatever happens must happen at once: a client that is neither closed nor answered is wedged.
"""

import http.client
import os
import shutil
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pytest

from ports import free_port
from serving import PATIENCE, running
from vectors import bytes_of, load, text_of
from waterspout import Server
from waterspout.testing import Clock, Peer, Refused, WebSocketCarrier, client_frame
from waterspout.wire import json
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation
from waterspout.wire.socketio import RESERVED

EXAMPLES = Path(__file__).parent.parent / "examples"
GENERATIONS = [ENGINEIO_3, ENGINEIO_4]
TRANSPORTS = ["polling", "websocket"]
ROWS = [
    (generation, transport, row)
    for generation in GENERATIONS
    for row in load(f"hostile_engineio{generation.revision}")
    for transport in row["transports"]
]

CLOSED, IGNORED, WEDGED = "closed", "ignored", "wedged"
ECHO, ANSWER = '427["echo","still here"]', '437["still here"]'

generations = pytest.mark.parametrize("generation", GENERATIONS, ids=lambda row: row.name)
transports = pytest.mark.parametrize("transport", TRANSPORTS)


def name(value: object) -> str | None:
    """Name a test after its row."""
    return value["name"] if isinstance(value, dict) else value.name if isinstance(value, Generation) else None


def packets_of(row: Any) -> list[str | bytes]:
    packets = [bytes_of(packet) if isinstance(packet, dict) else text_of(packet) for packet in row["packets"]]
    times: int = row.get("times", 1)
    return packets * times


def frames_of(row: Any) -> bytes:
    return b"".join(bytes.fromhex(frame) * times for frame, times in row["frames"])


# In memory


class Victim:
    """A server with one handler, which remembers all that its handlers heard."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.server = Server(driver=self.clock)
        self.heard: list[Any] = []
        for namespace in (self.server.of("/"), self.server.of("/private")):
            namespace.on_connect(lambda socket, auth: self.heard.append("on_connect"))
            namespace.on_disconnect(lambda socket, reason: self.heard.append("on_disconnect"))
            namespace.on_error(lambda socket, event, error: self.heard.append("on_error"))
        self.server.on("echo")(lambda socket, *args: args)

    def client(self, generation: Generation, transport: str, *, entered: bool = True) -> Peer:
        peer = Peer(self.server, generation=generation, transport=transport)
        if entered and not generation.implicit_connect:
            peer.connect()
        peer.take()
        return peer


def attack(peer: Peer, row: Any) -> int | None:
    """Send what the row has; returns the status of a refused request."""
    try:
        if "packets" in row:
            peer.send(*packets_of(row))
        elif isinstance(peer.carrier, WebSocketCarrier):
            peer.carrier.feed(frames_of(row))
        else:
            peer.carrier.post(bytes_of(row["body"]), [("Content-Type", row["type"])])
    except Refused as refused:
        return refused.response.status
    return None


def state(peer: Peer) -> str:
    """Tell what has become of a client."""
    if peer.closed is None:
        peer.take()
        peer.send(ECHO)
        return IGNORED if ANSWER in peer.take() else WEDGED
    return CLOSED


@pytest.mark.parametrize("generation", GENERATIONS, ids=lambda row: row.name)
def test_there_are_rows_enough_and_each_says_where_it_is_from(generation: Generation) -> None:
    rows = load(f"hostile_engineio{generation.revision}")
    assert len(rows) >= 45
    assert len({row["name"] for row in rows}) == len(rows)
    assert all(
        row["source"].startswith(("CVE-", "RFC 6455, section ", "Engine.IO ", "Socket.IO ", "rule: ")) for row in rows
    )
    assert {row["outcome"] for row in rows} == {CLOSED, IGNORED}
    assert {transport for row in rows for transport in row["transports"]} == set(TRANSPORTS)


@pytest.mark.parametrize(("generation", "transport", "row"), ROWS, ids=name)
def test_a_hostile_packet_is_closed_or_ignored(generation: Generation, transport: str, row: Any) -> None:
    victim = Victim()
    neighbour = victim.client(generation, transport)
    peer = victim.client(generation, transport, entered=row.get("entered", True))
    status = attack(peer, row)
    assert state(peer) == row["outcome"]
    if row["outcome"] == CLOSED:
        assert list(victim.server.engine.sessions) == [neighbour.sid]
        if transport == "websocket":
            assert peer.closed == row.get("code", 1002)
            assert isinstance(peer.carrier, WebSocketCarrier)
            assert peer.carrier.finished
        else:
            assert status == 400
    assert state(neighbour) == IGNORED
    assert victim.clock.reports == []
    assert "on_error" not in victim.heard


PRIVATE = [
    "error",
    "*",
    "__init__",
    "__class__",
    "_x",
    "trigger_event",
    "emit",
    "close_room",
    "call",
    "handlers",
    "data",
]


@generations
@transports
@pytest.mark.parametrize("event", [*sorted(RESERVED), *PRIVATE])
@pytest.mark.parametrize("namespace", ["/", "/private"])
def test_a_name_reaches_what_was_registered_for_it_and_nothing_else(
    generation: Generation, transport: str, event: str, namespace: str
) -> None:
    victim = Victim()
    peer = victim.client(generation, transport)
    if namespace != "/":
        peer.connect(namespace)
    peer.take()
    before = list(victim.heard)
    try:
        peer.emit(event, "x", id=1, namespace=namespace)
        peer.emit(event, b"x", id=2, namespace=namespace)
    except Refused:
        assert event in RESERVED
    is_closed = event in RESERVED and generation is ENGINEIO_4  # before, clients might send these names
    assert (peer.closed is not None) == is_closed
    farewells = ["on_disconnect"] * ((1 if namespace == "/" else 2) if is_closed else 0)
    assert victim.heard == before + farewells
    assert [packet for packet in peer.take() if packet != "1"] == []
    assert victim.clock.reports == []


# Over sockets


class OverWebSocket:
    """A client on a socket."""

    def __init__(self, address: str, generation: Generation, *, entered: bool = True) -> None:
        self.generation = generation
        self.socket, self.stream = connect(address)
        self.socket.sendall(handshake(address, generation))
        while self.stream.readline().strip():
            pass
        self._until("0")
        if entered and not generation.implicit_connect:
            self._send("40")
        if entered:
            self._until("40")

    def attack(self, row: Any) -> None:
        try:
            if "packets" in row:
                self._send(*packets_of(row))
            else:
                self.socket.sendall(frames_of(row))
        except ConnectionError:
            pass  # the server was faster

    def state(self) -> str:
        try:
            self._send(ECHO)
            return IGNORED if self._until(ANSWER) else CLOSED
        except TimeoutError:
            return WEDGED
        except ConnectionError:
            return CLOSED

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def _send(self, *packets: str | bytes) -> None:
        encode = self.generation.engineio.encode_binary
        frames = [client_frame(1, p.encode()) if isinstance(p, str) else client_frame(2, encode(p)) for p in packets]
        self.socket.sendall(b"".join(frames))

    def _until(self, wanted: str) -> bool:
        """Read up to a text that begins so; False if the connection ends before."""
        while head := self.stream.read(2):
            size = head[1] if head[1] < 126 else int.from_bytes(self.stream.read(2 if head[1] == 126 else 8))
            payload = self.stream.read(size)
            if payload == b"2":
                self._send("3")
            if head[0] == 0x81 and payload.decode().startswith(wanted):
                return True
            if head[0] == 0x88:
                break
        return False


class OverPolling:
    """A client that polls; each request is read to its end."""

    def __init__(self, address: str, generation: Generation, *, entered: bool = True) -> None:
        self.generation = generation
        self.http = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
        self.query = f"/socket.io/?EIO={generation.revision}&transport=polling"
        packets = self._get()
        self.sid = json.decode(packets[0][1:])["sid"]
        self.query += f"&sid={self.sid}"
        if entered and not generation.implicit_connect:
            assert self._post(self._spell("40")) == 200
        if entered and "40" not in [str(packet)[:2] for packet in packets]:
            self._until("40")

    def attack(self, row: Any) -> None:
        if "body" in row:
            self._post(bytes_of(row["body"]), row["type"])
        else:
            self._post(*self._encode(packets_of(row)))

    def state(self) -> str:
        try:
            if self._post(self._spell(ECHO)) != 200:
                return CLOSED
            return IGNORED if self._until(ANSWER) else CLOSED
        except TimeoutError:
            return WEDGED

    def close(self) -> None:
        self.http.close()

    def _spell(self, packet: str) -> bytes:
        return self._encode([packet])[0]

    def _encode(self, packets: list[str | bytes]) -> tuple[bytes, str]:
        messages = [(p.encode(), ()) if isinstance(p, str) else (b"", (p,)) for p in packets]
        body, binary = self.generation.engineio.encode_payload(messages)
        return body, "application/octet-stream" if binary else "text/plain;charset=UTF-8"

    def _post(self, body: bytes, kind: str = "text/plain;charset=UTF-8") -> int:
        return self._ask("POST", body, {"Content-Type": kind})[0]

    def _get(self) -> list[str | bytes]:
        """Poll; returns no packets once the session is over."""
        status, kind, body = self._ask("GET")
        binary = kind == "application/octet-stream"
        return list(self.generation.engineio.decode_payload(body, binary=binary)) if status == 200 else []

    def _ask(self, method: str, body: bytes | None = None, headers: Any = None) -> tuple[int, str | None, bytes]:
        self.http.request(method, self.query, body, headers or {})
        response = self.http.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()

    def _until(self, wanted: str) -> bool:
        while packets := self._get():
            if "2" in packets:
                self._post(self._spell("3"))
            if any(isinstance(packet, str) and packet.startswith(wanted) for packet in packets):
                return True
            if "1" in packets:
                break
        return False


CLIENTS: dict[str, type[OverPolling | OverWebSocket]] = {"polling": OverPolling, "websocket": OverWebSocket}


def connect(address: str) -> tuple[socket.socket, BinaryIO]:
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port
    connection = socket.create_connection((parts.hostname, parts.port), PATIENCE)
    return connection, connection.makefile("rb")


def handshake(address: str, generation: Generation, sid: str = "") -> bytes:
    query = f"EIO={generation.revision}&transport=websocket" + (f"&sid={sid}" if sid else "")
    lines = (
        f"GET /socket.io/?{query} HTTP/1.1",
        f"Host: {urlsplit(address).netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


ASGI = {
    "uvicorn": ("uvicorn", "site_under_test:app", "--no-access-log", "--timeout-keep-alive", "60", "--port"),
    "hypercorn": ("hypercorn", "site_under_test:app", "--workers", "0", "--keep-alive", "60", "--bind"),
    "granian": ("granian", "--interface", "asgi", "site_under_test:app", "--port"),
    "daphne": ("daphne", "site_under_test:app", "--access-log", os.devnull, "--port"),
}
hosts = pytest.mark.parametrize(
    "host", ["tornado", *(pytest.param(host, marks=pytest.mark.hosts) for host in ("gevent", *ASGI))]
)


@contextmanager
def attacked(folder: Path, host: str) -> Iterator[str]:
    """Serve the smallest server and give its address; after the attack it is as it was, and ends well."""
    shutil.copy(EXAMPLES / "echo.py", folder)
    if host in ASGI:
        with attacked_on_asgi(folder, host) as address:
            yield address
        return
    with running(folder, "serve", "echo:server", "--host", host, "--bind", "127.0.0.1:0") as command:
        yield command.address()
        assert command.process.poll() is None, command.log.read_text()
        command.process.terminate()
        assert command.end() == 0
        assert "Traceback" not in command.log.read_text()


@contextmanager
def attacked_on_asgi(folder: Path, host: str) -> Iterator[str]:
    site = "from echo import server\nfrom waterspout.hosts.asgi import App\n\napp = App(server)\n"
    (folder / "site_under_test.py").write_text(site)
    port = free_port()
    place = f"127.0.0.1:{port}" if host == "hypercorn" else str(port)
    with running(folder, *ASGI[host], place, program=("-m",)) as command:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert command.process.poll() is None, command.log.read_text()
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        assert command.process.poll() is None, command.log.read_text()
        command.process.terminate()
        assert command.end() in (0, -signal.SIGTERM)
        if host != "hypercorn":  # which logs tasks that it cancels
            assert "Traceback" not in command.log.read_text(), command.log.read_text()


@hosts
def test_all_hostile_packets_in_a_row_wedge_nothing(tmp_path: Path, host: str) -> None:
    outcomes, expected = [], []
    rows = [row for row in ROWS if host not in ASGI or "frames" not in row[2]]  # which an ASGI server reads itself
    with ExitStack() as stack:
        address = stack.enter_context(attacked(tmp_path, host))
        neighbours: Any = {}
        for generation in GENERATIONS:
            for transport in TRANSPORTS:
                neighbour = neighbours[generation, transport] = CLIENTS[transport](address, generation)
                stack.callback(neighbour.close)
        for generation, transport, row in rows:
            client = CLIENTS[transport](address, generation, entered=row.get("entered", True))
            client.attack(row)
            beside = neighbours[generation, transport].state()
            outcomes.append((generation.name, transport, row["name"], client.state(), beside))
            expected.append((generation.name, transport, row["name"], row["outcome"], IGNORED))
            client.close()
        assert [outcome for outcome in outcomes if WEDGED in outcome] == []
        assert outcomes == expected
        assert [neighbour.state() for neighbour in neighbours.values()] == [IGNORED] * 4
    assert len(outcomes) == len(rows)


FIRST_FRAMES = {
    "a reserved bit": b"\xb1\x80\0\0\0\0",
    "half a broken frame": b"\xf1\x80",
    "half a head": b"\x81",
    "half a length": b"\x81\xff",
    "a broken packet": client_frame(1, b"9"),
}


@hosts
def test_frames_in_the_segment_of_a_handshake_harm_nobody(tmp_path: Path, host: str) -> None:
    """CVE-2022-21676: a frame that arrives with the request is read before anybody else listens."""
    with attacked(tmp_path, host) as address:
        for generation in GENERATIONS:
            polling = OverPolling(address, generation)
            for frame in FIRST_FRAMES.values():
                for sid in ("", polling.sid):
                    connection, stream = connect(address)
                    connection.sendall(handshake(address, generation, sid) + frame)
                    assert stream.readline().startswith(b"HTTP/1.1 ")
                    stream.close()
                    connection.close()
                assert polling.state() == IGNORED
            polling.close()


@hosts
def test_a_reset_at_every_byte_of_an_upgrade_harms_nobody(tmp_path: Path, host: str) -> None:
    """CVE-2022-41940: the connection is reset while it becomes a WebSocket."""
    with attacked(tmp_path, host) as address:
        for generation in GENERATIONS:
            polling = OverPolling(address, generation)
            conversation = handshake(address, generation, polling.sid) + client_frame(1, b"2probe")
            for end in range(len(conversation) + 1):
                connection, stream = connect(address)
                stream.close()
                connection.sendall(conversation[:end])
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            assert polling.state() == IGNORED
            polling.close()
