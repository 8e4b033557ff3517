"""The examples of gevent-socketio's document, as printed but for Python 3 (EX-31 to EX-53)."""

# ruff: noqa: C405, C408, E712, PERF102, RET505, RUF012, UP004, UP008
# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc"

import importlib
import logging
import sys
import traceback
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from faces.gevent_socketio.test_namespace import Server, connected, sent
from waterspout.faces.gevent_socketio import socketio_manage
from waterspout.faces.gevent_socketio.mixins import BroadcastMixin
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.packet import decode, encode
from waterspout.faces.gevent_socketio.virtsocket import Socket

GLOBAL_NS = ""


@pytest.fixture
def server() -> Server:
    return Server()


class Visit:
    """A client whose view is `view(request)`; it sends texts of 0.9."""

    def __init__(self, server: Server, view: Any, **request: Any) -> None:
        self.socket = connected(server)
        self.request = SimpleNamespace(environ={"socketio": self.socket}, **request)
        self.view = gevent.spawn(view, self.request)

    def says(self, *texts: str) -> list[dict[str, Any]]:
        """Send these, and return what is sent back, without the connect packets."""
        for text in texts:
            self.socket.put_server_msg(text)
        gevent.sleep(0)
        return [packet for packet in sent(self.socket) if packet["type"] != "connect"]

    def end(self) -> Any:
        """Disconnect, and return what the view returns."""
        self.socket.put_server_msg("0::")
        return self.view.get(timeout=10)


def visit(server: Server, namespaces: dict[str, Any], **request: Any) -> Visit:
    def my_view(request):
        socketio_manage(request.environ, namespaces, request)

    return Visit(server, my_view, **request)


def event(name: str, *args: Any, endpoint: str = "/chat", **more: Any) -> dict[str, Any]:
    return {"type": "event", "name": name, "args": list(args), "endpoint": endpoint, **more}


def denied(method: str, endpoint: str) -> dict[str, Any]:
    text = f'You do not have access to method "{method}"'
    return event("error", "method_access_denied", text, endpoint=endpoint)


class ChatNamespace(BaseNamespace):
    def on_chat(self, msg):
        self.emit("chat", msg)


def test_ex_31_a_view_of_pyramid_returns_when_its_socket_has_ended(server: Server) -> None:
    def socketio_service(request):
        socketio_manage(request.environ, {"/chat": ChatNamespace}, request)
        return "out"

    client = Visit(server, socketio_service)
    assert client.says('5::/chat:{"name":"chat","args":["hi"]}') == [event("chat", "hi")]
    assert client.socket["/chat"].request is client.request
    assert client.end() == "out"


def test_ex_32_a_packet_is_a_dictionary() -> None:
    packet = {
        "type": "event",
        "name": "launch_superhero",
        "args": ["Superman", 123, "km", {"hair_color": "brown"}],
    }
    assert encode(packet) == '5:::{"args":["Superman",123,"km",{"hair_color":"brown"}],"name":"launch_superhero"}'
    assert decode(encode(packet)) == {**packet, "endpoint": ""}


class AdminInterface(BaseNamespace):
    def get_initial_acl(self):
        """Everything is locked at first"""
        return []

    def initialize(self):
        # This here assumes you have passed in a `request`
        # to your socketio_manage() call, it has that
        # `is_admin` attribute
        if not self.request.is_admin:
            return
        else:
            self.lift_acl_restrictions()

    def on_blahblahblah(self, data):
        """This can't be access until `lift_acl_restrictions()` has
        been called

        """
        return data


@pytest.mark.parametrize("is_admin", [True, False])
def test_ex_33_an_interface_for_administrators_is_closed_to_all_others(server: Server, is_admin: bool) -> None:
    client = visit(server, {"/admin": AdminInterface}, is_admin=is_admin)
    ack = {"type": "ack", "ackId": 1, "endpoint": "/admin", "args": ["x"]}
    answer = ack if is_admin else denied("on_blahblahblah", "/admin")
    assert answer in client.says('5:1+:/admin:{"name":"blahblahblah","args":["x"]}')
    client.end()
    assert client.socket.active_ns == {}


# The mixins of the document, in the application's own source


class PastedBroadcastMixin(object):
    def broadcast_event(self, event, *args):
        pkt = dict(type="event", name=event, args=args, endpoint=self.ns_name)
        for _sessid, socket in self.socket.server.sockets.items():
            socket.send_packet(pkt)

    def broadcast_event_not_me(self, event, *args):
        pkt = dict(type="event", name=event, args=args, endpoint=self.ns_name)
        for _sessid, socket in self.socket.server.sockets.items():
            if socket is not self.socket:
                socket.send_packet(pkt)


class PastedRoomsMixin(object):
    def __init__(self, *args, **kwargs):
        super(PastedRoomsMixin, self).__init__(*args, **kwargs)
        if "rooms" not in self.session:
            self.session["rooms"] = set()  # a set of simple strings

    def join(self, room):
        self.session["rooms"].add(self._get_room_name(room))

    def leave(self, room):
        self.session["rooms"].remove(self._get_room_name(room))

    def _get_room_name(self, room):
        return self.ns_name + "_" + room

    def emit_to_room(self, room, event, *args):
        pkt = dict(type="event", name=event, args=args, endpoint=self.ns_name)
        room_name = self._get_room_name(room)
        for _sessid, socket in self.socket.server.sockets.items():
            if "rooms" not in socket.session:
                continue
            if room_name in socket.session["rooms"] and self.socket != socket:
                socket.send_packet(pkt)


class Pasted(BaseNamespace, PastedRoomsMixin, PastedBroadcastMixin):
    def on_enter(self, room):
        self.join(room)

    def on_go(self, room):
        self.leave(room)

    def on_all(self, text):
        self.broadcast_event("told", text)

    def on_others(self, text):
        self.broadcast_event_not_me("told", text)

    def on_room(self, room, text):
        self.emit_to_room(room, "told", text)


def test_ex_34_mixins_pasted_into_an_application_work(server: Server) -> None:
    first, other = clients = [visit(server, {"/chat": Pasted}) for _ in range(2)]
    for client in clients:
        client.says('5::/chat:{"name":"enter","args":["den"]}')
    told = event("told", "x")
    assert (first.says('5::/chat:{"name":"all","args":["x"]}'), sent(other.socket)) == ([told], [told])
    assert (first.says('5::/chat:{"name":"others","args":["x"]}'), sent(other.socket)) == ([], [told])
    assert (first.says('5::/chat:{"name":"room","args":["den","x"]}'), sent(other.socket)) == ([], [told])
    other.says('5::/chat:{"name":"go","args":["den"]}')
    assert (first.says('5::/chat:{"name":"room","args":["den","x"]}'), sent(other.socket)) == ([], [])
    told_of = other.says('5::/chat:{"name":"go","args":["den"]}')  # a KeyError, as in the original
    assert [packet["args"][0] for packet in told_of] == ["internal_error"]
    assert other.says('5::/chat:{"name":"all","args":["x"]}') == [told]  # and the socket lives
    for client in clients:
        client.end()


class MyBroadcastNamespace(BaseNamespace, BroadcastMixin):
    def on_chatmsg(self, event):
        self.broadcast_event("chatmsg", event)


def test_ex_35_36_37_a_broadcast_and_two_namespaces_of_a_view(server: Server) -> None:
    class GlobalNamespace(BaseNamespace):
        pass

    namespaces = {"": GlobalNamespace, "/chat": MyBroadcastNamespace}
    assert Socket.GLOBAL_NS == GLOBAL_NS
    client = visit(server, namespaces)
    client.says("3:::a message")
    assert client.says('5::/chat:{"name":"chatmsg","args":["x"]}') == [event("chatmsg", "x")]
    assert {name: type(one) for name, one in client.socket.active_ns.items()} == namespaces
    assert client.end() is None


class MyEvents(BaseNamespace):
    def on_my_event(self, my_first_arg, my_second_arg):
        print("This is the my_first_arg object", my_first_arg)
        print("This is the my_second_arg object", my_second_arg)

    def on_my_second_event(self, whatever):
        print("This holds the first arg that was passed", whatever)

    def on_third_event(self, packet):
        print("The full packet", packet)
        print("See the BaseNamespace::call_method() method for details")

    def on_user_message(self, *args):
        print("user message", args)


def test_ex_38_39_events_call_the_methods_of_their_names(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    client = visit(server, {"/chat": MyEvents})
    client.says(
        '5::/chat:{"name":"my event","args":[1,{"a":2}]}',
        '5::/chat:{"name":"my_second_event","args":["x"]}',
        '5::/chat:{"name":"third event","args":["x"]}',
        '5::/chat:{"name":"user message"}',
    )
    assert capsys.readouterr().out.splitlines() == [
        "This is the my_first_arg object 1",
        "This is the my_second_arg object {'a': 2}",
        "This holds the first arg that was passed x",
        "The full packet {'type': 'event', 'endpoint': '/chat', 'name': 'third event', 'args': ['x']}",
        "See the BaseNamespace::call_method() method for details",
        "user message ()",
    ]
    client.end()


class Secured(BaseNamespace):
    def get_initial_acl(self):
        return set(["recv_connect", "on_public_method"])

    def recv_connect(self):
        if getattr(self.request, "knows", False):
            self.add_acl_method("on_secure_method")

    def on_public_method(self):
        return "public"

    def on_secure_method(self):
        return "secure"


@pytest.mark.parametrize("knows", [True, False])
def test_ex_40_a_list_of_methods_may_grow(server: Server, knows: bool) -> None:
    client = visit(server, {"/chat": Secured}, knows=knows)
    packets = client.says("1::/chat", '5:1+:/chat:{"name":"public_method"}', '5:2+:/chat:{"name":"secure_method"}')
    assert {"type": "ack", "ackId": 1, "endpoint": "/chat", "args": ["public"]} in packets
    assert ({"type": "ack", "ackId": 2, "endpoint": "/chat", "args": ["secure"]} in packets) is knows
    assert (denied("on_secure_method", "/chat") in packets) is not knows
    client.end()


class Callbacks(BaseNamespace):
    def on_my_callback(self, packet):
        if "ack" in packet:
            self.emit("go_back", "param1", id=packet["id"])


def test_ex_41_an_event_may_have_the_id_of_a_packet(server: Server) -> None:
    client = visit(server, {"/chat": Callbacks})
    assert event("go_back", "param1", id=7, ack=True) in client.says('5:7+:/chat:{"name":"my_callback"}')
    assert client.says('5::/chat:{"name":"my_callback"}') == []
    client.end()


class Both(BaseNamespace):
    def get_initial_acl(self):
        return None if self.ns_name == "/admin" else []

    def on_tell(self):
        self.socket["/other_endpoint"].emit("told")

    def on_promote(self):
        adminnamespace = self
        adminnamespace.socket["/chat"].add_acl_method("kick-ban")


def test_ex_42_43_a_namespace_reaches_those_that_are_active(server: Server) -> None:
    client = visit(server, {"/admin": Both, "/chat": Both, "/other_endpoint": Both})
    (problem,) = client.says('5::/admin:{"name":"tell"}')
    assert problem["args"] == ["internal_error", "The server has failed: KeyError"]
    client.says("1::/other_endpoint", "1::/chat")
    assert client.says('5::/admin:{"name":"tell"}') == [event("told", endpoint="/other_endpoint")]
    client.says('5::/admin:{"name":"promote"}')
    assert client.socket["/chat"].allowed_methods == {"kick-ban"}
    client.end()


class Evtrack:
    written: list[Any] = []

    @classmethod
    def write(cls, *args):
        cls.written.append(args)


db = SimpleNamespace(Evtrack=Evtrack)


class Guarded(BaseNamespace):
    def exception_handler_decorator(self, fn):
        def wrap(*args, **kwargs):
            try:
                return fn(*args, **kwargs)
            except Exception as e:
                stack = traceback.format_exception(*sys.exc_info())
                db.Evtrack.write("socketio_exception", {"error": str(e), "trace": stack}, self.request.email)
                logging.getLogger("exc_logger").exception(e)

        return wrap

    def on_fail(self):
        raise ValueError("in a method")

    def on_job(self):
        self.spawn(self.job_something)

    def job_something(self):
        raise ValueError("in a job")


def test_ex_50_one_place_for_all_exceptions(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    client = visit(server, {"/chat": Guarded}, email="me@example.com")
    assert client.says('5::/chat:{"name":"fail"}', '5::/chat:{"name":"job"}') == []
    gevent.sleep(0)
    found = [(kind, what["error"], email) for kind, what, email in Evtrack.written]
    assert found == [("socketio_exception", f"in a {place}", "me@example.com") for place in ("method", "job")]
    assert 'raise ValueError("in a method")' in "".join(Evtrack.written[0][1]["trace"])
    assert [record.message for record in caplog.records if record.name == "exc_logger"] == ["in a method", "in a job"]
    client.end()


class MyAuthObjet:
    logged_in = False


class MyGlobal(BaseNamespace):
    def initialize(self):
        self.my_auth = MyAuthObjet()

    def on_login(self):
        self.my_auth.logged_in = True


class MyNamespace(BaseNamespace):
    def initialize(self):
        self.my_auth = MyAuthObjet()
        if self.socket[GLOBAL_NS].my_auth.logged_in == True:
            self.my_auth.logged_in = True

    def on_ask(self):
        return self.my_auth.logged_in


def test_ex_51_a_namespace_takes_over_what_the_global_one_knows(server: Server) -> None:
    ask = '5:1+:/chat:{"name":"ask"}'
    client = visit(server, {GLOBAL_NS: MyGlobal, "/chat": MyNamespace})
    (problem,) = client.says(ask)  # the global one is not active yet
    assert problem["args"] == ["internal_error", "The server has failed: KeyError"]
    client.says('5:::{"name":"login"}')
    assert client.says(ask) == [{"type": "ack", "ackId": 1, "endpoint": "/chat", "args": [True]}]
    client.end()


PACKETS: list[dict[str, Any]] = [
    {"type": "connect", "qs": "", "endpoint": "/chat"},
    {"type": "message", "data": "this is the sent string", "endpoint": "/chat"},
    {"type": "message", "data": "some message, but please reply", "ack": True, "id": 5, "endpoint": "/chat"},
    {"type": "json", "data": {"this": "is a json object"}, "endpoint": "/chat"},
    {
        "type": "json",
        "data": {"this": "is a json object", "please": "reply"},
        "ack": True,
        "id": 5,
        "endpoint": "/chat",
    },
    {"type": "event", "endpoint": "/chat", "name": "my_event", "args": []},
    {
        "type": "event",
        "endpoint": "/chat",
        "name": "my_event",
        "ack": True,
        "id": 123,
        "args": [{"my": "object"}, 2, "mystring"],
    },
    {"type": "heartbeat", "endpoint": ""},
    {"type": "message", "id": 140, "ack": True, "endpoint": "/tobi", "data": ""},
    {"type": "ack", "ackId": 140, "endpoint": "", "args": []},
    {"type": "event", "id": 1, "ack": "data", "endpoint": "", "name": "tobi", "args": []},
    {"type": "json", "id": 1, "ack": "data", "endpoint": "", "data": {"a": "b"}},
    {"type": "message", "id": 1, "ack": "data", "endpoint": "", "data": "tobi"},
    {"type": "ack", "ackId": 12, "endpoint": "", "args": ["woot", "wa"]},
]


@pytest.mark.parametrize("packet", PACKETS, ids=encode)
def test_ex_52_the_packets_of_the_document_are_texts_and_back(packet: dict[str, Any]) -> None:
    assert decode(encode(packet)) == packet


@pytest.mark.parametrize("packet", PACKETS, ids=encode)
def test_ex_52_the_packets_of_the_document_are_acknowledged_as_they_ask(server: Server, packet: dict[str, Any]) -> None:
    class Answers(BaseNamespace):
        on_my_event = on_tobi = lambda self, *args: "late"

    if packet["type"] in ("ack", "heartbeat"):
        return
    client = visit(server, dict.fromkeys(["", "/chat", "/tobi"], Answers))
    acks = [found["args"] for found in client.says(encode(packet)) if found["type"] == "ack"]
    late = [packet["data"]] if "data" in packet else ["late"]
    assert acks == {None: [], True: [[]], "data": [late]}[packet.get("ack")]
    client.end()


NAMES = {
    "": "__version__ socketio_manage SocketIOServer",
    ".packet": "MSG_TYPES MSG_VALUES ERROR_REASONS REASONS_VALUES ERROR_ADVICES ADVICES_VALUES encode decode "
    "socketio_packet_attributes default_json_dumps default_json_loads",
    ".defaultjson": "default_json_dumps default_json_loads",
    ".server": "serve serve_paste FlashPolicyServer Socket",
    ".server SocketIOServer": "start_accepting stop handle get_socket serve_forever",
    ".policyserver": "FlashPolicyServer",
    ".mixins BroadcastMixin": "broadcast_event broadcast_event_not_me",
    ".mixins RoomsMixin": "join leave emit_to_room _get_room_name",
    ".namespace": "log allowed_event_name_regex",
    ".namespace BaseNamespace": "is_method_allowed add_acl_method del_acl_method lift_acl_restrictions get_initial_acl "
    "reset_acl process_packet process_event call_method_with_acl call_method initialize recv_message recv_json "
    "recv_connect recv_disconnect recv_error error send emit spawn disconnect kill_local_jobs",
    ".handler SocketIOHandler": "RE_REQUEST_URL RE_HANDSHAKE_URL RE_DISCONNECT_URL handler_types _do_handshake "
    "write_jsonp_result write_plain_result write_smart handle_one_response handle_bad_request "
    "handle_disconnect_request",
    ".transports BaseTransport": "write start_response",
    ".transports XHRPollingTransport": "options get post get_messages_payload encode_payload decode_payload "
    "do_exchange _request_body",
    ".transports JSONPolling": "write _request_body",
    ".transports XHRMultipartTransport": "do_exchange get",
    ".transports WebsocketTransport": "do_exchange",
    ".transports FlashSocketTransport": "do_exchange",
    ".transports HTMLFileTransport": "write_packed write do_exchange get",
    ".sdjango": "namespace autodiscover urls",
    ".virtsocket": "log default_error_handler default_json_dumps default_json_loads",
    ".virtsocket Socket": "STATE_CONNECTING STATE_CONNECTED STATE_DISCONNECTING STATE_DISCONNECTED GLOBAL_NS "
    "json_loads json_dumps _set_namespaces _set_request _set_environ _set_error_handler _set_json_loads "
    "_set_json_dumps _get_next_msgid _save_ack_callback _pop_ack_callback __str__ __getitem__ __hasitem__ connected "
    "incr_hits heartbeat kill detach put_server_msg put_client_msg get_client_msg get_server_msg "
    "get_multiple_client_msgs error disconnect remove_namespace send_packet spawn _receiver_loop _spawn_receiver_loop "
    "_watcher _spawn_watcher _heartbeat _heartbeat_timeout _spawn_heartbeat",
}


@pytest.mark.parametrize("place", NAMES)
def test_ex_53_the_listed_modules_have_their_names(place: str) -> None:
    module, _, kind = place.partition(" ")
    found = importlib.import_module(f"waterspout.faces.gevent_socketio{module}")
    for name in NAMES[place].split():
        assert getattr(getattr(found, kind) if kind else found, name) is not None, name
