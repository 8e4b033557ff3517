"""Tornado's requests and their connections, as an engine needs them."""

import socket
import ssl
from typing import Any

from tornado import process
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest

from ..types import Request
from .loops import settle
from .residence import Residence


def read(residence: Residence, native: HTTPServerRequest) -> Request:
    """Make a request of Tornado's; RuntimeError on another loop than that which the engine runs on.

    With trusted proxies of the server's own it starts from the real peer, so that what Tornado's `xheaders` has
    made of the same fields does not count twice.
    """
    connection = native.connection
    assert isinstance(connection, HTTP1Connection)
    settle(residence)
    residence.look_around(connection.stream.socket, None if process.task_id() is None else "fork_processes")
    if native.headers.get("Expect", "").lower() == "100-continue":
        native.headers["Expect"] = "100-continue"  # in this case alone Tornado knows it (RFC 9110, section 10.1.1)
    if native.version == "HTTP/1.0":
        native.headers.pop("Upgrade", None)  # it means nothing there (RFC 9110, section 7.8)
    context: Any = connection.context
    is_unix = context.address_family == socket.AF_UNIX
    if residence.engine.policy.trusted_proxies:
        address = "" if is_unix else context.address[0]
        secure = isinstance(connection.stream.socket, ssl.SSLSocket)
    else:
        address = "" if is_unix and native.remote_ip == "0.0.0.0" else native.remote_ip or ""
        secure = native.protocol == "https"
    return Request(
        native.method or "",
        native.uri or "",
        native.headers.get_all(),
        remote_address=address or ("unix" if is_unix else ""),
        secure=True if secure else None,
        native=native,
    )
