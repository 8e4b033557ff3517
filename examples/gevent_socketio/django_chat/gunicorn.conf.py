"""What gunicorn reads before it imports the application."""

from pathlib import Path

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old project adds
pythonpath = str(Path(__file__).parent)
worker_class = "socketio.sgunicorn.GeventSocketIOWorker"
bind = "127.0.0.1:8080"
