"""The examples of gevent-socketio, each in a process of its own, used by old and new clients (UX-7 to UX-14)."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from clients.examples import TELLING_OF_WATCHED, played, running, wait_until_watched
from packages import packages_without
from ports import free_port
from redisserver import RedisServer

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples" / "gevent_socketio"
LIBRARY = "socket.io-client-{}/dist/socket.io.js"
NAMES = [
    "cross_origin",
    "django_chat",
    "flask_chat",
    "live_cpu_graph",
    "redis_chat",
    "redis_chat_persistence",
    "simple_chat",
    "simple_pyramid_chat",
    "testapp",
    "twitterstream",
]
WATCHDOG_SECONDS = 120
# Pyramid 2.1 imports pkg_resources, and WebOb cgi, which warn.
QUIET = ("-W", "ignore::DeprecationWarning", "-W", "ignore:pkg_resources is deprecated:UserWarning")


class Site:
    """All examples, served."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.ports = {name: free_port() for name in NAMES}
        self.other = free_port()
        redis = RedisServer(folder)
        redis.start()
        stack.callback(redis.stop)
        (folder / "packages").mkdir()
        self.folder = folder
        self.environment = {
            "PYTHONPATH": packages_without(folder / "packages", "socketio", "python_socketio"),
            "REDIS": redis.socket,
            "DATABASE": str(folder / "chat.sqlite3"),
            "SOCKET_PORT": f"{self.other}",
            "SOCKET_IO_CLIENT": str(HERE / "node_modules" / LIBRARY.format("0.9")),
        }
        self.manage("migrate")
        for name, port in self.ports.items():
            program = EXAMPLES / (f"{name}.py" if name != "django_chat" else "django_chat/run.py")
            quiet = QUIET if name in ("simple_pyramid_chat", "testapp") else ()
            stack.enter_context(running(program, port, folder / f"{name}.log", *quiet, **self.environment))

    def manage(self, *arguments: str) -> None:
        """Run a command of Django's example."""
        command = [sys.executable, str(EXAMPLES / "django_chat/manage.py"), *arguments]
        subprocess.run(command, env={**os.environ, **self.environment}, check=True, capture_output=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All examples, served."""
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("gevent_socketio"), stack)


def used(node: str, site: Site, *options: str, ports: dict[str, Any] | None = None) -> dict[str, Any]:
    """Use all examples with clients in Node; return an error or None by the name of the example."""
    script = [
        node,
        "--no-deprecation",
        str(HERE / "gevent_examples.mjs"),
        json.dumps(ports or site.ports),
        f"{site.other}",
        *options,
    ]
    done = subprocess.run(script, capture_output=True, text=True, timeout=WATCHDOG_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return {line["name"]: line["error"] for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def seen(node: str, site: Site) -> dict[str, Any]:
    """What a client of 0.9 and one of 4.x saw."""
    return used(node, site)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_serves_clients_of_2012_and_of_today_together(seen: dict[str, Any], name: str) -> None:
    error = seen.get(name, "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)


def test_every_example_is_used_here() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted({*NAMES, "pages"} - {"django_chat"})


@pytest.mark.parametrize("name", ["simple_chat", pytest.param("testapp", marks=pytest.mark.hosts)])
def test_a_page_works_with_the_client_of_its_time(node: str, chromium: str, site: Site, name: str) -> None:
    """The client 0.9.17, which the page serves."""
    addresses = {name: f"http://localhost:{site.ports[name]}"}
    assert played(node, "gevent_pages.mjs", chromium, addresses, WATCHDOG_SECONDS) == {name: None}


@pytest.mark.hosts
def test_all_clients_use_all_examples(node: str, site: Site) -> None:
    assert used(node, site, "all") == dict.fromkeys(NAMES)


@pytest.mark.hosts
@pytest.mark.parametrize("client", ["0.9", "4"])
def test_all_pages_work(node: str, chromium: str, site: Site, client: str) -> None:
    addresses = {name: f"http://localhost:{port}" for name, port in site.ports.items()}
    library = HERE / "node_modules" / LIBRARY.format(client)
    seen = played(node, "gevent_pages.mjs", chromium, addresses, WATCHDOG_SECONDS, str(library))
    assert seen == dict.fromkeys(NAMES)


@pytest.mark.hosts
def test_the_page_of_another_origin_works_with_a_client_of_2011(node: str, chromium: str, site: Site) -> None:
    addresses = {"cross_origin": f"http://localhost:{site.ports['cross_origin']}"}
    library = HERE / "node_modules" / LIBRARY.format("0.8")
    seen = played(node, "gevent_pages.mjs", chromium, addresses, WATCHDOG_SECONDS, str(library))
    assert seen == {"cross_origin": None}


@pytest.mark.hosts
def test_djangos_example_starts_anew_when_code_changes(node: str, site: Site, tmp_path: Path) -> None:
    copy = shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "django_chat/chatproject/settings.py").open("a") as file:
        file.write(TELLING_OF_WATCHED)
    log, port = tmp_path / "log", free_port()
    command = (copy / "django_chat/manage.py", "runserver_socketio", f"{port}")
    with running(command, port, log, **site.environment):
        assert used(node, site, ports={"django_chat": port}) == {"django_chat": None}
        sockets = copy / "django_chat/chat/sockets.py"
        wait_until_watched(sockets, log)
        with sockets.open("a") as file:
            file.write("\nChatNamespace.on_news = lambda self: 'news'\n")
        ask = [node, str(HERE / "gevent_news.mjs"), f"{port}"]
        assert subprocess.run(ask, capture_output=True, text=True, timeout=60, check=True).stdout == "news\n"
    assert "sockets.py changed, reloading" in log.read_text()


@pytest.mark.hosts
def test_djangos_example_runs_in_gunicorn(node: str, site: Site, tmp_path: Path) -> None:
    port = free_port()
    config = EXAMPLES / "django_chat/gunicorn.conf.py"
    gunicorn = (Path(sys.executable).with_name("gunicorn"), "--config", config, "--no-control-socket")
    command = (*gunicorn, "--bind", f"127.0.0.1:{port}", "chatproject.wsgi")
    with running(command, port, tmp_path / "log", **site.environment):
        assert used(node, site, ports={"django_chat": port}) == {"django_chat": None}


@pytest.mark.hosts
@pytest.mark.parametrize("name", ["redis_chat", "redis_chat_persistence"])
def test_two_processes_share_a_chat_in_redis(node: str, site: Site, tmp_path: Path, name: str) -> None:
    port = free_port()
    with running(EXAMPLES / f"{name}.py", port, tmp_path / "log", **site.environment):
        assert used(node, site, ports={name: [site.ports[name], port]}) == {name: None}
