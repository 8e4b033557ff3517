"""Namespaces and sockets without a server, as applications' own unit tests have them."""

import functools
import re
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Empty

from waterspout.faces.gevent_socketio import receiver, socketio_manage
from waterspout.faces.gevent_socketio.mixins import BroadcastMixin, RoomsMixin
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.packet import decode
from waterspout.faces.gevent_socketio.virtsocket import Socket


class Server:
    """What a socket needs of its server."""

    def __init__(self) -> None:
        self.sockets: dict[str, Socket] = {}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def socket(server: Server) -> Socket:
    return connected(server)


def connected(server: Server) -> Socket:
    socket = Socket(server, {})
    socket.state = Socket.STATE_CONNECTED
    server.sockets[socket.sessid] = socket
    return socket


def sent(socket: Socket) -> list[dict[str, Any]]:
    """Return what the client has been sent."""
    packets = []
    while socket.client_queue.qsize():
        text = socket.get_client_msg()
        if text is not None:
            packets.append(decode(text))
    return packets


def error(name: str, message: str, endpoint: str = "/chat") -> dict[str, Any]:
    return {"type": "event", "name": "error", "args": [name, message], "endpoint": endpoint}


class Chat(BaseNamespace):
    """A namespace as applications write them."""

    initialized = 0

    def initialize(self) -> None:
        self.initialized += 1

    def on_foo(self, *args: Any) -> Any:
        return args

    def on_user_message(self, text: str) -> str:
        return text.upper()

    def on_packet(self, packet: dict[str, Any]) -> Any:
        return packet["name"]

    @staticmethod
    def on_static(text: str) -> None: ...

    def recv_json(self, data: Any) -> Any:
        return "json", data


@pytest.fixture
def chat(socket: Socket) -> Chat:
    socket.active_ns["/chat"] = namespace = Chat({"socketio": socket}, "/chat", request={"user": 1})
    return namespace


def event(name: str, *args: Any, **more: Any) -> dict[str, Any]:
    return {"type": "event", "name": name, "args": list(args), "endpoint": "/chat", **more}


# Dispatch


def test_what_a_namespace_has(chat: Chat, socket: Socket) -> None:
    assert chat.socket is socket
    assert chat.session is socket.session
    assert (chat.ns_name, chat.request, chat.environ["socketio"], chat.jobs) == ("/chat", {"user": 1}, socket, [])
    assert chat.allowed_methods is None


def test_private_names_are_the_application_s(chat: Chat) -> None:
    names = {**vars(BaseNamespace), **vars(chat)}
    assert [name for name in names if re.match("_[a-z]", name)] == []


def test_events_and_messages_call_their_methods(chat: Chat) -> None:
    assert chat.process_packet(event("foo", 1, {"a": 2})) == (1, {"a": 2})
    assert chat.process_packet(event("user message", "hi")) == "HI"
    assert chat.process_packet(event("packet", 1)) == "packet"
    assert chat.process_packet({"type": "message", "data": "x", "endpoint": "/chat"}) == "x"
    assert chat.process_packet({"type": "json", "data": [1], "endpoint": "/chat"}) == ("json", [1])
    assert chat.process_packet({"type": "event", "name": "foo", "args": {"a": 1}, "endpoint": "/chat"}) == ({"a": 1},)
    assert chat.process_packet({"type": "event", "name": "foo", "endpoint": "/chat"}) == ()
    assert chat.process_packet({"type": "noop", "endpoint": "/chat"}) is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bar", ("no_such_method", 'The method "on_bar" was not found')),
        ("_foo", ("unallowed_event_name", "name must only contains alpha numerical characters")),
        ("foo-bar", ("unallowed_event_name", "name must only contains alpha numerical characters")),
        ("föö", ("unallowed_event_name", "name must only contains alpha numerical characters")),
        (
            "static",
            (
                "invalid_method_args",
                "The server-side method is invalid, as it doesn't have 'self' as its first argument",
            ),
        ),
        (None, ("invalid_packet", "an event has no name")),
    ],
)
def test_what_cannot_be_called_is_an_error(chat: Chat, socket: Socket, name: Any, told: tuple[str, str]) -> None:
    assert chat.process_packet(event(name)) is None
    assert sent(socket) == [error(*told)]


def test_decorated_methods_are_methods(socket: Socket) -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return "logged", function(*args, **kwargs)

        return call

    class Decorated(BaseNamespace):
        @logged
        def on_text(self, text: str) -> str:
            return text

        @logged
        def on_all(self, packet: dict[str, Any]) -> Any:
            return packet["args"]

    namespace = Decorated({"socketio": socket}, "/chat")
    assert namespace.process_packet(event("text", "x")) == ("logged", "x")
    assert namespace.process_packet(event("all", "x")) == ("logged", ["x"])


def test_the_exception_handler_decorates_methods_and_jobs(socket: Socket) -> None:
    seen: list[str] = []

    class Guarded(BaseNamespace):
        def exception_handler_decorator(self, fn: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                try:
                    return fn(*args, **kwargs)
                except Exception as problem:
                    seen.append(str(problem))
                    return None

            return call

        def on_fail(self, text: str) -> None:
            raise ValueError(text)

    namespace = Guarded({"socketio": socket}, "/chat")
    namespace.process_packet(event("fail", "in a method"))
    namespace.spawn(namespace.on_fail, "in a job").join()
    assert seen == ["in a method", "in a job"]


# Access


def test_access_lists(socket: Socket) -> None:
    class Closed(Chat):
        def get_initial_acl(self) -> list[str]:
            return ["on_foo"]

    namespace = Closed({"socketio": socket}, "/chat")
    assert namespace.process_packet(event("foo")) == ()
    namespace.process_packet(event("user message", "x"))
    assert sent(socket) == [error("method_access_denied", 'You do not have access to method "on_user_message"')]
    namespace.add_acl_method("on_user_message")
    namespace.add_acl_method("kick-ban")
    assert namespace.allowed_methods == {"on_foo", "on_user_message", "kick-ban"}
    namespace.del_acl_method("on_foo")
    assert not namespace.is_method_allowed("on_foo")
    with pytest.raises(KeyError):
        namespace.del_acl_method("on_foo")
    namespace.reset_acl()
    assert namespace.allowed_methods == {"on_foo"}
    namespace.lift_acl_restrictions()
    assert namespace.is_method_allowed("anything")
    with pytest.raises(ValueError, match="all methods are allowed"):
        namespace.del_acl_method("on_foo")
    namespace.add_acl_method("on_foo")
    assert namespace.allowed_methods == {"on_foo"}


def test_the_list_itself_may_be_changed_and_replaced(chat: Chat) -> None:
    for names in (["on_foo"], ("on_foo",), {"on_foo": 1}):
        chat.allowed_methods = names
        assert chat.allowed_methods is not None
        chat.allowed_methods.add("on_packet")
        assert [chat.is_method_allowed(name) for name in ("on_foo", "on_packet", "on_other")] == [True, True, False]
    chat.allowed_methods = None
    assert chat.is_method_allowed("on_other")


def test_one_namespace_opens_another_through_the_socket(chat: Chat, socket: Socket) -> None:
    socket.active_ns["/admin"] = admin = Chat({"socketio": socket}, "/admin")
    chat.allowed_methods = []
    admin.socket["/chat"].add_acl_method("on_foo")
    admin.socket["/chat"].add_acl_method("kick-ban")
    assert chat.process_packet(event("foo", 1)) == (1,)
    assert chat.is_method_allowed("kick-ban")


def test_a_client_can_leave_a_namespace_of_which_it_may_call_no_method(chat: Chat, socket: Socket) -> None:
    socket.active_ns["/other"] = Chat({"socketio": socket}, "/other")
    chat.allowed_methods = []
    chat.process_packet({"type": "disconnect", "endpoint": "/chat"})
    assert "/chat" not in socket
    assert sent(socket) == []


# Sending


def test_what_is_sent(chat: Chat, socket: Socket) -> None:
    answers: list[Any] = []
    chat.emit("said", "x", {"a": 1})
    chat.emit("asked", callback=lambda *args: answers.append(args))
    chat.emit("go_back", "param1", id=7)
    chat.send("text")
    chat.send({"a": 1}, json=True, callback=lambda *args: answers.append(args))
    chat.disconnect()
    assert sent(socket) == [
        event("said", "x", {"a": 1}),
        event("asked", id=1, ack="data"),
        {**event("go_back", "param1"), "id": 7, "ack": True},
        {"type": "message", "data": "text", "endpoint": "/chat"},
        {"type": "json", "data": {"a": 1}, "id": 2, "ack": True, "endpoint": "/chat"},
        {"type": "disconnect", "endpoint": "/chat"},
    ]
    with pytest.raises(ValueError, match="only supports positional argument"):
        chat.emit("said", text="x")
    with pytest.raises(TypeError, match="send it with json=True"):
        chat.send({"a": 1})


def test_acknowledgements_call_back_once(chat: Chat, caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Any] = []
    chat.emit("asked", callback=lambda *args: answers.append(args))
    answer = {"type": "ack", "ackId": 1, "args": ["a", 2], "endpoint": "/chat"}
    chat.process_packet(answer)
    chat.process_packet(answer)
    assert answers == [("a", 2)]
    assert "nobody waits for the acknowledgement 1" in caplog.text


# The socket


def test_the_receiver_makes_namespaces_by_their_first_packet(server: Server) -> None:
    made: list[str] = []

    class Mixin:
        def initialize(self) -> None:
            made.append("mixin")

    class Own(Chat, Mixin):
        def initialize(self) -> None:
            made.append(f"own {self.ns_name}")

        def recv_connect(self) -> None:
            made.append("connect")

        def recv_disconnect(self) -> None:
            made.append("disconnect")
            self.disconnect(silent=True)

    def make(environ: dict[str, Any], ns_name: str, request: Any = None) -> Own:
        return Own(environ, ns_name, request)

    socket = connected(server)
    view = gevent.spawn(socketio_manage, {"socketio": socket}, {"/chat": make})
    gevent.sleep(0)
    assert made == []
    socket.put_server_msg("1::/chat")
    socket.put_server_msg('5:3+:/chat:{"name":"foo","args":[1,2]}')
    socket.put_server_msg('5:4:/chat:{"name":"foo"}')
    socket.put_server_msg("no packet")
    socket.put_server_msg("1::/nowhere")
    gevent.sleep(0)
    assert made == ["own /chat", "mixin", "connect"]
    packets = sent(socket)
    assert packets[:3] == [
        {"type": "connect", "qs": "", "endpoint": "/chat"},
        {"type": "ack", "ackId": 3, "args": [1, 2], "endpoint": "/chat"},
        {"type": "ack", "ackId": 4, "args": [], "endpoint": "/chat"},
    ]
    assert [packet["args"][0] for packet in packets[3:]] == ["invalid_packet", "no_such_namespace"]
    assert "/chat" in socket
    assert socket["/chat"].initialized == 1  # by Chat, once
    socket.put_server_msg("0::")
    assert view.get(timeout=10) == b""
    assert made[3:] == ["disconnect"]
    assert (socket.state, server.sockets, socket.active_ns) == (Socket.STATE_DISCONNECTING, {}, {})


@pytest.mark.parametrize(
    "where", ["constructor", "initialize", "recv_connect", "on_fail", "callback", "recv_disconnect"]
)
def test_a_failure_anywhere_is_told_and_the_socket_lives(server: Server, where: str) -> None:
    def fail_in(place: str) -> None:
        if where == place:
            raise ValueError

    class Failing(Chat):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            fail_in("constructor")
            super().__init__(*args, **kwargs)

        def initialize(self) -> None:
            fail_in("initialize")

        def recv_connect(self) -> None:
            fail_in("recv_connect")
            self.emit("asked", callback=lambda: fail_in("callback"))

        def on_fail(self) -> None:
            fail_in("on_fail")

        def recv_disconnect(self) -> None:
            fail_in("recv_disconnect")

    socket = connected(server)
    view = gevent.spawn(socketio_manage, {"socketio": socket}, {"/chat": Failing, "/other": Chat})
    for text in ("1::/other", "1::/chat", "6::/chat:1", '5:1+:/chat:{"name":"fail"}', "0::/chat"):
        socket.put_server_msg(text)
    socket.put_server_msg('5:9+:/other:{"name":"foo","args":["alive"]}')
    gevent.sleep(0)
    packets = sent(socket)
    assert error("internal_error", "The server has failed: ValueError") in packets
    assert packets[-1] == {"type": "ack", "ackId": 9, "args": ["alive"], "endpoint": "/other"}
    socket.kill(detach=True)
    view.join(timeout=10)
    assert view.successful()


def test_recv_connect_is_called_once_and_disconnect_also_where_it_was_forgotten(server: Server) -> None:
    called: list[str] = []

    class Forgetful(Chat):
        def recv_connect(self, packet: dict[str, Any]) -> None:  # type: ignore[override]
            called.append(f"connect {packet['qs']}")

        def recv_disconnect(self) -> None:
            called.append("recv_disconnect")

        def disconnect(self, *args: Any, **kwargs: Any) -> None:
            called.append("disconnect")
            super().disconnect(*args, **kwargs)

    socket = connected(server)
    view = gevent.spawn(socketio_manage, {"socketio": socket}, {"/chat": Forgetful, "": Chat})
    for text in ("1::/chat:?a=b", "1::/chat", '5:::{"name":"foo"}', "0::/chat", "1::/chat:?c=d"):
        socket.put_server_msg(text)
    gevent.sleep(0)
    assert called == ["connect ?a=b", "recv_disconnect", "disconnect", "connect ?c=d"]
    sent(socket)
    socket.disconnect()
    assert called[4:] == ["recv_disconnect", "disconnect"]
    assert sent(socket) == [{"type": "disconnect", "endpoint": ""}]  # which is the whole connection
    view.join(timeout=10)
    assert view.successful()


@pytest.mark.usefixtures("few_acks")
def test_what_waits_for_a_client_that_never_answers_is_limited(chat: Chat, socket: Socket) -> None:
    for _ in range(5):
        chat.emit("asked", callback=print)
    assert list(socket.ack_callbacks) == [3, 4, 5]


@pytest.mark.usefixtures("few_acks")
def test_what_is_never_acknowledged_is_limited(server: Server) -> None:
    kept: list[Any] = []

    class Keeping(BaseNamespace):
        def on_keep(self, ack: Any) -> None:
            kept.append(ack)

    socket = connected(server)
    view = gevent.spawn(socketio_manage, {"socketio": socket}, {"": Keeping})
    for number in range(1, 6):
        socket.put_server_msg(f'5:{number}+::{{"name":"keep"}}')
    gevent.sleep(0)
    for ack in kept:
        ack()
    assert [packet["ackId"] for packet in sent(socket)] == [3, 4, 5]
    socket.kill(detach=True)
    view.join(timeout=10)


@pytest.fixture
def few_acks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "_MAX_ACKS", 3)


def test_a_result_that_cannot_be_sent_is_told_and_the_socket_lives(server: Server) -> None:
    class Main(BaseNamespace):
        def on_object(self) -> object:
            return object()

        def on_late(self, ack: Callable[..., object]) -> None:
            ack("late")
            ack("once more")

    def broken(*args: object) -> None:
        raise ValueError

    for error_handler in (None, broken):
        socket = connected(server)
        view = gevent.spawn(socketio_manage, {"socketio": socket}, {"": Main}, error_handler=error_handler)
        socket.put_server_msg('5:1+::{"name":"object"}')
        socket.put_server_msg('5:2+::{"name":"late"}')
        socket.put_server_msg("no packet")
        socket.put_server_msg('5:3+::{"name":"late"}')
        gevent.sleep(0)
        packets = sent(socket)
        acks = [(packet["ackId"], packet["args"]) for packet in packets if packet["type"] == "ack"]
        assert acks == [(2, ["late"]), (3, ["late"])]
        errors = [packet["args"][0] for packet in packets if packet["type"] == "event"]
        assert errors == ([] if error_handler else ["internal_error", "invalid_packet"])
        socket.kill(detach=True)
        view.join(timeout=10)


def test_jobs_end_with_their_namespace_and_leave_nothing(chat: Chat, socket: Socket) -> None:
    ended: list[str] = []

    def work(name: str) -> None:
        try:
            Event().wait()
        finally:
            ended.append(name)

    jobs = [chat.spawn(work, "of the namespace"), socket.spawn(work, "of the socket")]
    gevent.sleep(0)
    chat.spawn(lambda: None).join()
    assert len(chat.jobs) == 1
    chat.disconnect()
    assert sorted(ended) == ["of the namespace", "of the socket"]  # it was the last namespace
    assert all(job.dead for job in jobs)
    assert (chat.jobs, socket.jobs, socket.connected) == ([], [], False)


def test_a_job_that_disconnects_its_namespace_ends(chat: Chat) -> None:
    def work() -> None:
        chat.disconnect()
        while True:
            gevent.sleep(0)

    job = chat.spawn(work)
    job.join(timeout=10)
    assert job.dead


def test_queues_and_tables(server: Server) -> None:
    socket = Socket(server, {})
    assert (socket.state, str(socket)) == ("NEW", f"sessid='{socket.sessid}'")
    socket.put_client_msg("1::")
    socket.put_client_msg("2::")
    assert socket.get_multiple_client_msgs() == ["1::", "2::"]
    with pytest.raises(Empty):
        socket.get_client_msg(timeout=0)
    socket.put_server_msg("x")
    assert socket.get_server_msg() == "x"
    assert [socket._get_next_msgid(), socket._get_next_msgid()] == [1, 2]
    assert socket._save_ack_callback(1, print) is None
    assert socket._save_ack_callback(1, print) is False
    assert socket._pop_ack_callback(1) is print
    assert socket._pop_ack_callback(1) is None
    socket.incr_hits()
    socket.state = Socket.STATE_CONNECTED
    assert str(socket) == f"sessid='{socket.sessid}' connected hits=1"
    socket.kill()
    assert socket.state == Socket.STATE_DISCONNECTING
    assert socket.get_server_msg() is None
    assert socket.get_client_msg() is None
    with pytest.raises(KeyError):
        socket["/chat"]
    with pytest.raises(KeyError, match="serve the application with a SocketIOServer, or with the worker"):
        socketio_manage({}, {})


# Mixins


class Everything(BaseNamespace, RoomsMixin, BroadcastMixin):
    """All mixins, behind the base."""


def test_broadcasts_and_rooms_are_of_the_namespace(server: Server) -> None:
    sockets = [connected(server) for _ in range(4)]
    members = []
    for socket in sockets[:3]:
        socket.active_ns["/chat"] = member = Everything({"socketio": socket}, "/chat")
        members.append(member)
    members[0].broadcast_event("said", 1)
    assert [len(sent(socket)) for socket in sockets] == [1, 1, 1, 0]
    members[0].broadcast_event_not_me("said", 1)
    assert [len(sent(socket)) for socket in sockets] == [0, 1, 1, 0]
    for member in members[:2]:
        member.join("room")
    assert sockets[0].session["rooms"] == {"/chat_room"}
    members[0].emit_to_room("room", "said", 1)
    members[2].leave("room")  # who is not there
    assert [len(sent(socket)) for socket in sockets] == [0, 1, 0, 0]
    members[1].leave("room")
    members[0].emit_to_room("room", "said", 1)
    assert [len(sent(socket)) for socket in sockets] == [0] * 4
