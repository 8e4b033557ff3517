"""Namespaces: what applications derive their classes from.

How it works: the receiver of a socket gives each packet of an endpoint to `process_packet`, one after the other. It
calls a method, `on_<event>` or one of the `recv_` methods, if the access list has it. What goes wrong is told to the
client as an event "error", and the socket lives on: see `Socket.error`. What is private here has two underscores, so
that applications may use any other name in their classes.
"""

import inspect
import logging
import re
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

import gevent

from ...drivers import logger
from ...server.access import Access
from .packet import Packet

__all__ = ["BaseNamespace", "allowed_event_name_regex"]

log = logger("socketio.namespace")

allowed_event_name_regex = re.compile(r"^[A-Za-z][A-Za-z0-9_ ]*$")

LATER = object()
"""The result of a method that acknowledges its packet by the function that it was given."""

_END_OF_JOBS = 1.0  # s that jobs have to tidy up when they are killed


class BaseNamespace:
    """One client in one namespace.

    `ns_name` is its name, '' for the global one; `socket` its connection, `session` a dictionary that all namespaces of
    the connection share. `request` is what was given to `socketio_manage`, `environ` the WSGI environment of the
    handshake.
    """

    exception_handler_decorator: Any

    def __init__(self, environ: dict[str, Any], ns_name: str, request: Any = None) -> None:
        self.environ = environ
        self.socket: Any = environ["socketio"]
        self.session: dict[str, Any] = self.socket.session
        self.request = request
        self.ns_name = ns_name
        self.__access: Access | None = None  # the client may call all methods
        self.jobs: list[gevent.Greenlet[..., Any]] = []
        self.__current: _Acknowledgement | None = None
        self.__is_connected = False  # by a connect packet
        self.reset_acl()
        super().__init__()  # a mixin may follow in the bases

    # Access

    def get_initial_acl(self) -> Iterable[str] | None:
        """Return the names of the methods that the client may call at first; None are all. To be overridden."""
        return None

    @property
    def allowed_methods(self) -> set[str] | None:
        """The names of the methods that the client may call, as a set that may be changed; None if it may call all."""
        return None if self.__access is None else self.__access.listed

    @allowed_methods.setter
    def allowed_methods(self, names: Iterable[str] | None) -> None:
        self.__access = None if names is None else Access(allowed=False)
        if self.__access is not None and names is not None:
            self.__access.set(names, allowed=True)

    def reset_acl(self) -> None:
        """Allow what is allowed at first."""
        self.allowed_methods = self.get_initial_acl()

    def lift_acl_restrictions(self) -> None:
        """Allow all methods."""
        self.allowed_methods = None

    def add_acl_method(self, method_name: str) -> None:
        """Allow a method, beside those that are allowed; where all were, it is now the only one."""
        if self.__access is None:
            self.__access = Access(allowed=False)
        self.__access.set([method_name], allowed=True)

    def del_acl_method(self, method_name: str) -> None:
        """Forbid a method. ValueError where all are allowed, KeyError where it is not."""
        if self.__access is None:
            raise ValueError("all methods are allowed, so none can be taken away: begin with get_initial_acl")
        if method_name not in self.__access:
            raise KeyError(method_name)
        self.__access.set([method_name], allowed=False)

    def is_method_allowed(self, method_name: str) -> bool:
        """Tell whether the client may call a method."""
        return self.__access is None or method_name in self.__access

    # What arrives

    def initialize(self) -> None:
        """Called once, after the constructor; in all classes that define it, in their order, so without `super`."""

    def process_packet(self, packet: Packet) -> Any:
        """Dispatch a packet, and return what the method returned; with another one in its place none is called."""
        match packet["type"]:
            case "event":
                return self.process_event(packet)
            case "message":
                return self.call_method_with_acl("recv_message", packet, packet["data"])
            case "json":
                return self.call_method_with_acl("recv_json", packet, packet["data"])
            case "connect":
                self.socket.send_packet(packet)
                return self.__connect(packet)
            case "error":
                return self.call_method_with_acl("recv_error", packet, packet)
            case "ack":
                return self.__acknowledged(packet)
            case "disconnect":  # which no access list forbids: the end of the connection calls it too
                return self.call_method("recv_disconnect", packet)
        return None

    def process_event(self, packet: Packet) -> Any:
        """Call the method of an event: `on_user_message` for "user message", with its arguments.

        A result is the acknowledgement where the client wants one; a tuple is several values.
        """
        name, args = packet.get("name"), packet.get("args", [])
        if not isinstance(name, str):
            self.error("invalid_packet", "an event has no name")
            return None
        if not allowed_event_name_regex.match(name):
            self.error("unallowed_event_name", "name must only contains alpha numerical characters")
            return None
        if not isinstance(args, list | tuple):  # a client's library that sends one object
            args = [args]
        return self.call_method_with_acl(f"on_{name.replace(' ', '_')}", packet, *args)

    def call_method_with_acl(self, method_name: str, packet: Packet, *args: Any) -> Any:
        """Call a method if the client may."""
        if not self.is_method_allowed(method_name):
            self.error("method_access_denied", f'You do not have access to method "{method_name}"')
            return None
        return self.call_method(method_name, packet, *args)

    def call_method(self, method_name: str, packet: Packet, *args: Any) -> Any:
        """Call a method with the arguments, or with the packet if that is the name of its only parameter.

        One that has a parameter `ack` behind the arguments gets a function that acknowledges the packet.
        """
        method = _method(self, method_name)
        if method is None:
            self.error("no_such_method", f'The method "{method_name}" was not found')
            return None
        parameters = _parameters(method)
        if parameters is None:
            text = "The server-side method is invalid, as it doesn't have 'self' as its first argument"
            self.error("invalid_method_args", text)
            return None
        if (decorator := getattr(self, "exception_handler_decorator", None)) is not None:
            method = decorator(method)
        if parameters == ["packet"]:
            return method(packet)
        before, self.__current = self.__current, _Acknowledgement(self, packet)
        try:
            if parameters[len(args) :] == ["ack"]:
                result = method(*args, self.__current)
                return LATER if result is None else result
            return method(*args)
        finally:
            self.__current = before

    def ack(self, *args: Any) -> None:
        """Acknowledge the packet that is being handled; the client's callback gets the arguments."""
        if self.__current is None:
            raise RuntimeError("ack() is for methods that handle a packet: nothing is to be acknowledged now")
        self.__current(*args)

    def recv_connect(self) -> Any:
        """Called once, when the client connects to this namespace; not for the global one. To be overridden."""

    def recv_message(self, data: str) -> Any:
        """Called for a message, which `send` of the client has sent. To be overridden."""
        return data

    def recv_json(self, data: Any) -> Any:
        """Called for a message with a value. To be overridden."""
        return data

    def recv_error(self, packet: Packet) -> Any:
        """Called for an error of the client's. To be overridden."""

    def recv_disconnect(self) -> Any:
        """Called once, when the client has left this namespace, or the connection has ended. To be overridden.

        If an override does not call `disconnect`, that is called afterwards.
        """
        self.disconnect(silent=True)

    # What is sent

    def emit(self, event: str, *args: Any, **kwargs: Any) -> None:
        """Send an event to this client. `callback` is called with the arguments of the client's acknowledgement.

        `id` is an event that answers a packet, as `packet["id"]`. ValueError for other keywords.
        """
        callback, id = kwargs.pop("callback", None), kwargs.pop("id", None)
        if kwargs:
            text = "emit() only supports positional argument, to stay compatible with the Socket.IO protocol. "
            raise ValueError(f"{text}You can however pass in a dictionary as the first argument")
        packet: Packet = {"type": "event", "name": event, "args": args, "endpoint": self.ns_name}
        if callback is not None:
            packet |= {"ack": "data", "id": self.__expect(callback)}
        elif id is not None:
            packet["id"] = id
        self.socket.send_packet(packet)

    def send(self, message: Any, json: bool = False, callback: Callable[..., object] | None = None) -> None:
        """Send a text to this client, or a value with `json`. `callback` is called when the client has it."""
        packet: Packet = {"type": "json" if json else "message", "data": message, "endpoint": self.ns_name}
        if callback is not None:
            packet |= {"ack": True, "id": self.__expect(callback)}
        self.socket.send_packet(packet)

    def error(self, error_name: str, error_message: str, msg_id: int | None = None, quiet: bool = False) -> None:
        """Tell of an error: by the error handler, whose default sends an event "error" unless `quiet`."""
        self.socket.error(error_name, error_message, endpoint=self.ns_name, msg_id=msg_id, quiet=quiet)

    # Jobs, and the end

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> "gevent.Greenlet[..., Any]":
        """Call a function in a greenlet that is killed when the client leaves this namespace."""
        if (decorator := getattr(self, "exception_handler_decorator", None)) is not None:
            fn = decorator(fn)
        return begin(self.jobs, fn, *args, **kwargs)

    def disconnect(self, silent: bool = False) -> None:
        """Leave this namespace, and kill its jobs; the client is told unless `silent`."""
        if not silent:
            self.socket.send_packet({"type": "disconnect", "endpoint": self.ns_name})
        try:
            self.socket.remove_namespace(self.ns_name)
        finally:
            self.kill_local_jobs()

    def kill_local_jobs(self) -> None:
        """Kill what `spawn` has begun."""
        jobs, self.jobs = self.jobs, []
        kill(jobs)

    def __expect(self, callback: Callable[..., object]) -> int:
        id: int = self.socket._get_next_msgid()
        self.socket._save_ack_callback(id, callback)
        return id

    def __connect(self, packet: Packet) -> Any:
        is_first, self.__is_connected = not self.__is_connected, True
        return self.call_method_with_acl("recv_connect", packet) if is_first and self.ns_name else None

    def __acknowledged(self, packet: Packet) -> Any:
        callback = self.socket._pop_ack_callback(packet["ackId"])
        if callback is None:
            text, level = "nobody waits for the acknowledgement %s of %r", logging.WARNING
            self.socket.complaints.write(log, text, packet["ackId"], self.ns_name, level=level)
            return None
        return callback(*packet["args"])


class _Acknowledgement:
    """Acknowledges a packet, once."""

    def __init__(self, namespace: BaseNamespace, packet: Packet) -> None:
        self._namespace = namespace
        self._packet = packet

    def __call__(self, *args: Any) -> None:
        """Send the arguments."""
        self._namespace.socket.acknowledge(self._packet, list(args))


def begin(jobs: list[Any], fn: Callable[..., Any], *args: Any, **kwargs: Any) -> "gevent.Greenlet[..., Any]":
    """Call a function in a greenlet, which is one of the jobs until it has ended."""
    job = gevent.spawn(fn, *args, **kwargs)
    jobs.append(job)
    job.rawlink(jobs.remove)
    return job


def kill(jobs: list[Any]) -> None:
    """Kill greenlets, and wait for a second until they have ended; the one that is running ends when it next waits."""
    current = gevent.getcurrent()
    others = [job for job in jobs if job is not current]
    gevent.killall(others, block=False)
    gevent.joinall(others, timeout=_END_OF_JOBS)
    if current in jobs:
        gevent.killall([current], block=False)


def _method(namespace: BaseNamespace, name: str) -> Any:
    """Return what a namespace, or its class, has under a name; a client has chosen what is behind `on_`."""
    if (own := namespace.__dict__.get(name)) is not None:
        return own
    for kind in type(namespace).__mro__:
        if (found := kind.__dict__.get(name)) is not None:
            return found.__get__(namespace, type(namespace)) if hasattr(found, "__get__") else found
    return None


def _parameters(method: Any) -> list[str] | None:
    """Return the names of the positional parameters behind `self`; None for what is no method."""
    function = getattr(method, "__func__", method)
    try:
        return _PARAMETERS[function]
    except KeyError:
        found = _PARAMETERS[function] = _read_parameters(method, function)
        return found
    except TypeError:  # nothing refers to it weakly
        return _read_parameters(method, function)


_PARAMETERS: "WeakKeyDictionary[Any, list[str] | None]" = WeakKeyDictionary()


def _read_parameters(method: Any, function: Any) -> list[str] | None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [name for name, one in signature.parameters.items() if one.kind in kinds]
    takes_any = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in signature.parameters.values())
    if names[:1] == ["self"]:
        return names[1:]
    return names if takes_any or not isinstance(method, FunctionType | MethodType) else None
