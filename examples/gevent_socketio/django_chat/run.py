"""The project without a reloader. It needs the database that `manage.py migrate` makes."""

from gevent import monkey

monkey.patch_all()

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old project adds
from chatproject.wsgi import application
from pages import PORT
from socketio.server import SocketIOServer

if __name__ == "__main__":
    print(f"Listening on http://127.0.0.1:{PORT}")
    SocketIOServer(("127.0.0.1", PORT), application, resource="socket.io").serve_forever()
