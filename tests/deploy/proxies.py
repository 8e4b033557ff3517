"""The samples of deploy/ in the real nginx, HAProxy and Apache: copies, with ports and paths that a test may use."""

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.backends import PATIENCE, ROOT, until_listening
from ports import free_port

HOST = "127.0.0.1"
PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])  # not on every PATH


@dataclass(frozen=True)
class Plan:
    """What a copy of a sample is made for: `backend` is how it finds a session's process."""

    folder: Path
    port: int
    secure_port: int
    addresses: Sequence[str]
    application: str
    backend: str
    drain: str
    idle: str


@dataclass(frozen=True)
class Kind:
    """A proxy: how its sample is copied, how it is started with the copy, what makes it read that again, its logs.

    One that `notifies` is deaf to signals until it has told systemd that it is ready. One that `waits` at its end for
    its connections has its workers killed.
    """

    write: Callable[[Plan], Path]
    command: Callable[[Path, Path], list[str]]
    reload: signal.Signals
    logs: tuple[str, ...]
    notifies: bool = False
    waits: bool = False


@dataclass(frozen=True)
class Front:
    """A proxy that runs."""

    kind: str
    process: "subprocess.Popen[bytes]"
    plan: Plan

    @property
    def certificate(self) -> Path:
        return self.plan.folder / "cert.pem"

    def url(self, *, secure: bool = False) -> str:
        return f"https://{HOST}:{self.plan.secure_port}" if secure else f"http://{HOST}:{self.plan.port}"

    def reload(self, *addresses: str) -> None:
        """Turn to these servers, as `systemctl reload` does after a change of the file."""
        kind = KINDS[self.kind]
        kind.write(replace(self.plan, addresses=addresses))
        self.process.send_signal(kind.reload)

    def logged(self) -> str:
        logs = (self.plan.folder / name for name in KINDS[self.kind].logs)
        return "".join(log.read_text("utf-8", "replace") for log in logs if log.exists())


def find(kind: str) -> str | None:
    """Return the program of a proxy, None if it is not installed."""
    return shutil.which(kind, path=PLACES)


@contextmanager
def proxied(
    kind: str,
    addresses: Sequence[str],
    folder: Path,
    *,
    backend: str = "one",
    application: str = "",
    drain: str = "30s",
    idle: str = "60s",
) -> Iterator[Front]:
    """Run a proxy with its sample before the servers at these addresses, "unix:/path" or "127.0.0.1:8000" each.

    `backend` is "one", "by_address" or "by_cookie", and for HAProxy "nodes", of which there may be any number.
    HAProxy takes the pages from `application`, nginx from the folder "pages"; cert.pem and key.pem are in the folder.
    `drain` is how long connections may outlast a reload, `idle` how long they may be silent.
    """
    row = KINDS[kind]
    plan = Plan(folder, free_port(), free_port(), addresses, application or addresses[0], backend, drain, idle)
    log = folder / f"{kind}.log"
    with (
        log.open("wb") as output,
        _notices(folder / "notices") as notices,
        subprocess.Popen(
            [find(kind) or kind, *row.command(row.write(plan), folder)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notices")},
            start_new_session=True,  # so that what it has started can be ended with it
        ) as process,
    ):
        try:
            for port in (plan.port, plan.secure_port):
                until_listening(f"{HOST}:{port}", process, log)
            if row.notifies:
                _await_readiness(notices)
            yield Front(kind, process, plan)
        finally:
            process.terminate()  # which ends the workers too, at once
            for worker in _children(process.pid) if row.waits else ():
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []


@contextmanager
def _notices(path: Path) -> Iterator[socket.socket]:
    """Hear at a Unix socket what a process would tell systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.settimeout(PATIENCE)
        notices.bind(str(path))
        try:
            yield notices
        finally:
            path.unlink()


def _await_readiness(notices: socket.socket) -> None:
    while b"READY=1" not in notices.recv(4096):
        pass


def _edited(sample: str, changes: dict[str, str]) -> str:
    """Return a sample with these changes, each of which has to concern something in it."""
    text = (ROOT / "deploy" / sample).read_text("utf-8")
    for old, new in changes.items():
        assert old in text, f"deploy/{sample} has no {old!r}"
        text = text.replace(old, new)
    return text


def own_user() -> tuple[str, str]:
    """Return the names of the user and the group that run the tests."""
    return pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


def _nginx(plan: Plan) -> Path:
    folder = plan.folder
    temporary = "".join(
        f"\n    {name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = _edited(
        "nginx.conf",
        {
            "user www-data;": "user {} {};".format(*own_user()),
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "/var/log/nginx/": f"{folder}/",
            "/etc/nginx/waterspout.pem": f"{folder}/cert.pem",
            "/etc/nginx/waterspout.key": f"{folder}/key.pem",
            "/var/www/html": f"{folder}/pages",
            "http {": f"http {{{temporary}",
            "listen 80;": f"listen {HOST}:{plan.port};",
            "listen [::]:80;": "",
            "listen 443 ": f"listen {HOST}:{plan.secure_port} ",
            "listen [::]:443 ssl http2;": "",
            "proxy_pass http://waterspout_one;": f"proxy_pass http://waterspout_{plan.backend};",
            "worker_shutdown_timeout 30s;": f"worker_shutdown_timeout {plan.drain};",
            "proxy_read_timeout 60s;": f"proxy_read_timeout {plan.idle};",
            "proxy_send_timeout 60s;": f"proxy_send_timeout {plan.idle};",
            "unix:/run/waterspout/1.sock": plan.addresses[0],
            "unix:/run/waterspout/2.sock": plan.addresses[-1],
        },
    )
    return _written(folder / "nginx.conf", text)


def _haproxy(plan: Plan) -> Path:
    folder = plan.folder
    (folder / "both.pem").write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    first, last, application = (
        address.replace("unix:", "unix@") for address in (plan.addresses[0], plan.addresses[-1], plan.application)
    )
    user, group = own_user()
    nodes, alone = (
        "".join(
            f"    server {prefix}{number} {address.replace('unix:', 'unix@')} cookie {number}{options}\n"
            for number, address in enumerate(plan.addresses, 1)
        )
        for prefix, options in (("", ""), ("alone-", " backup no-check"))
    )
    text = _edited(
        "haproxy.cfg",
        {
            "user haproxy": f"user {user}",
            "group haproxy": f"group {group}",
            "log /dev/log local0": "log stdout format raw local0",
            "maxconn 30000": "maxconn 1000",  # for more, not every user may open the descriptors
            "/run/haproxy/": f"{folder}/",
            "/etc/haproxy/waterspout.pem": f"{folder}/both.pem",
            "bind :::80 v4v6": f"bind {HOST}:{plan.port}",
            "bind :::443 v4v6": f"bind {HOST}:{plan.secure_port}",
            "use_backend waterspout_one": f"use_backend waterspout_{plan.backend}",
            "hard-stop-after 30s": f"hard-stop-after {plan.drain}",
            **{f"timeout {name} 60s": f"timeout {name} {plan.idle}" for name in ("client", "server", "tunnel")},
            "127.0.0.1:8080": application,
            "unix@/run/waterspout/1.sock": first,
            "unix@/run/waterspout/2.sock": last,
            "check inter 2s": "check inter 100ms" if plan.backend == "nodes" else "no-check",
            "    server 1 10.0.0.1:8001 cookie 1\n    server 2 10.0.0.2:8001 cookie 2\n": nodes,
            "    server alone-1 10.0.0.1:8001 cookie 1 backup no-check\n"
            "    server alone-2 10.0.0.2:8001 cookie 2 backup no-check\n": alone,
        },
    )
    return _written(folder / "haproxy.cfg", text)


def _apache(plan: Plan) -> Path:
    folder = plan.folder
    user, group = own_user()
    if user == "root":  # as which Apache serves nobody
        user = group = "www-data"
        folder.chmod(0o755)
    (folder / "pages").mkdir(exist_ok=True)
    options = " upgrade=websocket flushpackets=on retry=0 ttl=60"
    one = f'\nProxyPass "/socket.io" "unix:/run/waterspout/1.sock|http://waterspout/socket.io"{options}'
    several = 'ProxyPass "/socket.io" "balancer://waterspout_by_cookie/socket.io"'
    text = _edited(
        "apache.conf",
        {
            "User www-data": f"User {user}",
            "Group www-data  # needs write permission for the sockets in /run/waterspout": f"Group {group}",
            "/run/apache2": str(folder),
            "/var/log/apache2/": f"{folder}/",
            "/etc/apache2/waterspout.pem": f"{folder}/cert.pem",
            "/etc/apache2/waterspout.key": f"{folder}/key.pem",
            "/var/www/html": f"{folder}/pages",
            "Listen 80": f"Listen {HOST}:{plan.port}",
            "Listen 443": f"Listen {HOST}:{plan.secure_port}",
            "<VirtualHost *:443>": f"<VirtualHost *:{plan.secure_port}>",
            "ServerLimit 64": "ServerLimit 2",  # which is quick to start and to end
            "MaxRequestWorkers 4096": "StartServers 1\nMaxRequestWorkers 128",
            "ProxyTimeout 60": f"ProxyTimeout {plan.idle.removesuffix('s')}",
            one: one if plan.backend == "one" else f"\n{several}",
            **_apache_addresses(plan),
        },
    )
    return _written(folder / "apache.conf", text)


def _apache_addresses(plan: Plan) -> dict[str, str]:
    """Return what the servers of the sample become: a URL, which has a path in front of it for a Unix socket."""
    changes = {}
    for number, address in ((1, plan.addresses[0]), (2, plan.addresses[-1])):
        sock = f"unix:/run/waterspout/{number}.sock|http://"
        if address.startswith("unix:"):
            changes[sock] = f"{address}|http://"
        else:
            changes |= {f"{sock}{name}": f"http://{address}" for name in NAMES[number]}
    return changes


NAMES = {1: ("waterspout", "exposed", "process1"), 2: ("process2",)}
"""What the sample for Apache calls its servers, by their number."""


def _written(file: Path, text: str) -> Path:
    file.write_text(text, "utf-8")
    return file


KINDS = {
    "nginx": Kind(
        _nginx,
        lambda file, folder: ["-p", str(folder), "-c", str(file), "-e", f"{folder}/error.log", "-g", "daemon off;"],
        signal.SIGHUP,
        ("nginx.log", "error.log", "access.log"),
    ),
    "apache2": Kind(
        _apache,
        lambda file, folder: ["-f", str(file), "-D", "FOREGROUND"],
        signal.SIGUSR1,
        ("apache2.log", "error.log", "access.log"),
        waits=True,
    ),
    "haproxy": Kind(
        _haproxy, lambda file, folder: ["-Ws", "-f", str(file)], signal.SIGUSR2, ("haproxy.log",), notifies=True
    ),
}
