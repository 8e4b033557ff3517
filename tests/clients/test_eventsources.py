"""EventSources of Node and of Chromium, curl and httpx: cut off by resets of their connections, refused, ended."""

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from clients.processes import HERE, Errors, errors_of, killed_after
from missing import missing
from server.listener import Reader

WATCHDOG_SECONDS = 200
IN_NODE = ("eventsource 3", "eventsource 4", "event-source-polyfill")
IN_CHROMIUM = ("EventSource", "event-source-polyfill", "fetch-event-source")
CLIENTS = [*((kind, "Node") for kind in IN_NODE), *((kind, "Chromium") for kind in IN_CHROMIUM)]
SCENARIOS = (
    "all in order, whatever is cut",
    "an id that is too old is told",
    "an end",
    "an end at which the page closes",
    "two thousand tokens",
    "two channels in one connection",
    "another process",
)
MORE = ("an end that is cut off before it is complete", "a refusal")
FOREIGN = ("a page of another origin, with its credentials", "a page of a foreign origin")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))}


@pytest.fixture(scope="module", params=["usual", pytest.param("more", marks=pytest.mark.hosts)])
def seen(node: str, chromium: str, request: pytest.FixtureRequest) -> Errors:
    """What the clients saw: an error or None by client, place and scenario."""
    wanted = (*SCENARIOS, *FOREIGN) if request.param == "usual" else MORE
    command = [node, "--no-deprecation", str(HERE / "eventsources.mjs"), sys.executable, chromium, *wanted]
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        ) as process,
        killed_after(WATCHDOG_SECONDS, process),
    ):
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors, errors
    seen = errors_of(output)
    clients = {(*client, scenario) for client in CLIENTS for scenario in wanted if scenario not in FOREIGN}
    pages = {(kind, "Chromium", scenario) for kind in IN_CHROMIUM for scenario in wanted if scenario in FOREIGN}
    assert set(seen) == clients | pages
    return seen


def test_an_eventsource_is_content(seen: Errors) -> None:
    failed = [f"{client}: {error}" for client, error in seen.items() if error is not None]
    assert not failed, "\n".join(failed)


@contextmanager
def server() -> Iterator[int]:
    command = [sys.executable, "-m", "clients.eventsources", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        with killed_after(WATCHDOG_SECONDS, process):
            yield int(process.stdout.readline())
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with server() as port:
        yield port


def tell(port: int, what: str, name: str, values: object = None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", f"/do/{what}/{name}", json.dumps(values))
    assert connection.getresponse().status == 200
    connection.close()


def test_httpx_reads_goes_away_and_goes_on(port: int) -> None:
    url = f"http://127.0.0.1:{port}/s/httpx"
    tell(port, "values", "httpx", [1, 2])
    values: list[object] = []
    last_id = ""
    for more in ([3, 4], [5, 6], []):
        reader = Reader(last_id)
        with httpx.stream("GET", url, headers={"Last-Event-ID": last_id}, timeout=20) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            for piece in response.iter_bytes():
                reader.feed(piece)
                if len(messages(reader)) == 2:
                    break
        values += messages(reader)
        last_id = reader.last_id
        tell(port, "values", "httpx", more)
    assert values == [1, 2, 3, 4, 5, 6]
    tell(port, "end", "httpx")
    ended = httpx.get(url, headers={"Last-Event-ID": last_id}, timeout=20)  # complete, since the answer has an end
    reader = Reader(last_id)
    reader.feed(ended.content)
    assert [event.type for event in reader.events] == ["stream-open", "stream-end"]
    assert httpx.get(url, headers={"Last-Event-ID": reader.last_id}, timeout=20).status_code == 204


def test_curl_reads_and_goes_on(port: int) -> None:
    curl = shutil.which("curl")
    if curl is None:
        missing("curl is missing")
    assert curl is not None
    url = f"http://127.0.0.1:{port}/s/curl"
    tell(port, "values", "curl", [1, 2])
    with subprocess.Popen([curl, "-sN", "--max-time", "20", url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        reader = Reader()
        while len(messages(reader)) < 2:
            line = process.stdout.readline()
            assert line
            reader.feed(line)
        process.terminate()
    tell(port, "values", "curl", [3])
    tell(port, "end", "curl")
    ask = [curl, "-s", "--max-time", "20", "-w", "%{stderr}%{http_code}", "-H"]
    rest = subprocess.run([*ask, f"Last-Event-ID: {reader.last_id}", url], capture_output=True, check=True)
    again = Reader(reader.last_id)
    again.feed(rest.stdout)
    assert messages(again) == [3]
    over = subprocess.run([*ask, f"Last-Event-ID: {again.last_id}", url], capture_output=True, check=True)
    assert (over.stdout, over.stderr) == (b"", b"204")


def messages(reader: Reader) -> list[object]:
    return [event.value for event in reader.events if event.type == "message"]
