"""The servers under test, which share a port: `server`, and smaller ones at paths of their own."""

import re
import sys

import waterspout
from waterspout.engine import Policy, Session

PAGES = re.compile(r"http://localhost:\d+")  # where the tests in a browser have theirs
PARSER = "msgpack" if "msgpack" in sys.argv else "json"


class Echo:
    """What the bare Engine.IO clients talk to."""

    def open(self, session: Session, request: waterspout.Request) -> None: ...

    def message(self, session: Session, data: str | bytes) -> None:
        session.send(data)

    def close(self, session: Session, reason: str) -> None: ...


bare = waterspout.Engine(Echo(), policy=Policy(cors_origins=PAGES, cors_credentials=True))
server = waterspout.Server(
    ping_interval=0.5,
    poll_hold=0.5,
    ping_timeout=20,
    max_payload_bytes=1_000_000,
    parser=PARSER,
    per_message_deflate="deflate" in sys.argv,
    cors_origins=PAGES,
    cors_credentials=True,
)
compressing = waterspout.Server(path="/compressing", parser=PARSER, per_message_deflate=True)
counted = waterspout.Server(path="/counted", parser=PARSER)
limited = waterspout.Server(path="/limited", parser=PARSER, max_events_per_second=0.02)
sixteen = waterspout.Server(path="/sixteen", parser=PARSER, max_packets_per_poll=16)
narrow = waterspout.Server(
    path="/narrow",
    parser=PARSER,
    connect_timeout=2.0,
    max_outbox_bytes=10_000,
    max_pending_acks=3,
    max_attachments=2,
    trusted_proxies=["127.0.0.1"],
)

SERVERS = (server, compressing, counted, limited, narrow, sixteen)
