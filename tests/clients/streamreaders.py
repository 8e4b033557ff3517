"""curl or httpx as an EventSource: `-m clients.streamreaders curl|httpx URL` prints a line of JSON for each event.

It goes on after every end of the answer, with the last id, until the status is 204 or its standard input ends.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import httpx

from server.listener import Reader

SOON = 0.02
PATIENCE = 60


def read_by_httpx(url: str, last_id: str, feed: Callable[[bytes], None]) -> int | None:
    """Read one answer; return its status, or None if there was none."""
    status = None
    try:
        with httpx.stream("GET", url, headers={"Last-Event-ID": last_id}, timeout=PATIENCE) as response:
            status = response.status_code
            for piece in response.iter_raw():
                feed(piece)
    except httpx.TransportError:
        pass
    return status


def read_by_curl(url: str, last_id: str, feed: Callable[[bytes], None]) -> int | None:
    """Read one answer; return its status, or 0 if there was none."""
    command = [
        "curl",
        "-sN",
        "--max-time",
        str(PATIENCE),
        "-w",
        "%{stderr}%{http_code}",
        "-H",
        f"Last-Event-ID: {last_id}",
    ]
    with subprocess.Popen([*command, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while piece := process.stdout.read(65_536):
            feed(piece)
        return int(process.stderr.read())


def end_with_input() -> None:
    """End as soon as whoever has started this is gone."""
    sys.stdin.read()
    os._exit(1)


def main(kind: str, url: str) -> None:
    threading.Thread(target=end_with_input, daemon=True).start()
    read = {"curl": read_by_curl, "httpx": read_by_httpx}[kind]
    status: int | None = None
    last_id = ""
    while status != 204:
        reader = Reader(last_id)

        def feed(piece: bytes, reader: Reader = reader) -> None:
            reader.feed(piece)
            for event in reader.events:
                print(json.dumps([event.type, event.data, event.id]), flush=True)
            reader.events.clear()

        status = read(url, last_id, feed)
        last_id = reader.last_id
        time.sleep(SOON)


if __name__ == "__main__":
    main(*sys.argv[1:])
