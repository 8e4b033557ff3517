"""The worker of gunicorn and the server of a paste file, with the real gunicorn and the real PasteDeploy."""

from pathlib import Path

import pytest

from hosts.test_gunicorn import check_several_workers, check_the_end, gunicorn, log_of, paste
from ports import free_port
from serving import Client

SITE = """
import os
from waterspout.faces.gevent_socketio import socketio_manage
from waterspout.faces.gevent_socketio.namespace import BaseNamespace

class Main(BaseNamespace):
    def on_pid(self):
        return os.getpid()

def app(environ, start_response):
    if environ["PATH_INFO"].startswith("/socket.io"):
        return socketio_manage(environ, {"": Main}) or b""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

def make(global_conf):
    return app
"""
PYRAMID = """
from gevent import monkey; monkey.patch_all()
import warnings; warnings.simplefilter("ignore")
from pyramid.config import Configurator
from pyramid.response import Response
from waterspout.faces.gevent_socketio import socketio_manage
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.server import SocketIOServer
from waterspout.faces.gevent_socketio.sgunicorn import GeventSocketIOWorker, GunicornWSGIHandler
from waterspout.faces.gevent_socketio.virtsocket import Socket

class OwnSocket(Socket):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.session["kind"] = type(self).__name__

class OwnServer(SocketIOServer):
    def get_socket(self, sessid=""):
        if sessid:
            return self.sockets.get(sessid)
        socket = OwnSocket(self, self.config)
        self.sockets[socket.sessid] = socket
        return socket

class OwnHandler(GunicornWSGIHandler):
    def get_environ(self):
        return {**super().get_environ(), "own.port": self.server.get_environ()["SERVER_PORT"]}

    def handle_one_response(self):
        self.server.resource = "socket.io"
        super().handle_one_response()

class OwnWorker(GeventSocketIOWorker):
    server_class = OwnServer
    wsgi_handler = OwnHandler
    resource = "other"
    transports = ["websocket"]

    def patch(self):
        super().patch()

class Main(BaseNamespace):
    def on_kind(self):
        server, environ = self.socket.server, self.environ
        names = server.__class__.__name__, self.session["kind"], self.request.matched_route.name
        return *names, len(server.sockets), environ["own.port"] == environ["SERVER_PORT"]

def socketio_service(request):
    socketio_manage(request.environ, {"": Main}, request)
    return Response("out")

config = Configurator()
config.add_route("socketio", "socket.io/*remaining")
config.add_view(socketio_service, route_name="socketio")
config.add_route("page", "/")
config.add_view(lambda request: Response("a page"), route_name="page")
app = config.make_wsgi_app()
"""
WORKER = "waterspout.faces.gevent_socketio.sgunicorn.GeventSocketIOWorker"
PASTE = """
[app:main]
use = call:site_under_test:make

[server:main]
use = egg:waterspout#paster
port = {port}
transports = websocket, xhr-polling
heartbeat_interval = 5
"""
RUN_PASTE = """
from gevent import monkey; monkey.patch_all()
from paste.deploy import loadapp, loadserver
server = loadserver("config:" + {path!r})
server(loadapp("config:" + {path!r}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_under_test.py").write_text(SITE)
    return tmp_path


def test_gunicorn_serves_sockets_beside_the_application_and_ends_them(folder: Path) -> None:
    check_the_end(folder, WORKER)


def test_a_worker_of_ones_own_has_a_server_a_handler_and_sockets_of_ones_own_under_pyramid(folder: Path) -> None:
    (folder / "site_under_test.py").write_text(PYRAMID)
    port = free_port()
    with gunicorn(folder, port, worker="site_under_test.OwnWorker"), Client(f"http://127.0.0.1:{port}") as client:
        client.enter()
        assert client.ask('420["kind"]') == '430["OwnServer","OwnSocket","socketio",1,true]'


def test_several_workers_are_warned_of(folder: Path) -> None:
    check_several_workers(folder, WORKER)


def test_a_paste_file_serves(folder: Path) -> None:
    with paste(folder, RUN_PASTE, PASTE) as (_, _, port):
        assert f"serving on http://127.0.0.1:{port}" in log_of(folder)
