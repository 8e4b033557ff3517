"""A graph of how busy the processors are: a job for each client, which ends with it. Linux has /proc/stat."""

from gevent import monkey

monkey.patch_all()

import gevent
from pages import PORT, page, with_files

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old application adds
from socketio import socketio_manage
from socketio.namespace import BaseNamespace
from socketio.server import SocketIOServer


def processor_times():
    """Return how long the processors have been idle, and how long they have been on."""
    with open("/proc/stat", encoding="ascii") as file:
        times = [int(time) for time in file.readline().split()[1:9]]
    return times[3] + times[4], sum(times)


class CPUNamespace(BaseNamespace):
    def recv_connect(self):
        self.spawn(self.send_cpu)

    def send_cpu(self):
        idle, total = processor_times()
        while True:
            gevent.sleep(0.2)
            before, (idle, total) = (idle, total), processor_times()
            if total > before[1]:
                self.emit("cpu_data", {"percent": 100 - 100 * (idle - before[0]) / (total - before[1])})


def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/socket.io/"):
        return socketio_manage(environ, {"/cpu": CPUNamespace})
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [page("live_cpu_graph").encode()]


if __name__ == "__main__":
    SocketIOServer(("127.0.0.1", PORT), with_files(application)).serve_forever()
