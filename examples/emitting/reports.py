"""A task of Celery tells the client that began it how far it is, whichever node that client is on.

waterspout serve reports:server
celery --app reports worker
"""

import os

from celery import Celery

from waterspout import Emitter, Server

REDIS = os.environ.get("REDIS_URL", "redis://localhost")

server = Server(adapter=REDIS)
app = Celery("reports", broker=REDIS)
emitter = Emitter(REDIS)


@server.on("report", threaded=True)  # Celery blocks until its broker has the task
def start(socket, months: int):
    report.delay(socket.id, months)
    return "started"


@app.task
def report(client, months):
    for month in range(1, months + 1):
        emitter.emit("progress", {"month": month, "of": months}, to=client)
    emitter.emit("report", {"total": 100 * months}, to=client)
