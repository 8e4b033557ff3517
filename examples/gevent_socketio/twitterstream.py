"""Texts from elsewhere, sent to everybody in a namespace from outside of it. Twitter's stream is made up here."""

from gevent import monkey

monkey.patch_all()

import itertools

import gevent
from pages import PORT, page, with_files

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old application adds
from socketio import socketio_manage
from socketio.namespace import BaseNamespace
from socketio.server import SocketIOServer


def stream():
    for number in itertools.count(1):
        gevent.sleep(0.5)
        yield {"user": f"user{number % 7}", "text": f"Tweet number {number}"}


def broadcast(server, ns_name, event, *args):
    packet = {"type": "event", "name": event, "args": args, "endpoint": ns_name}
    for socket in server.sockets.values():
        if ns_name in socket.active_ns:
            socket.send_packet(packet)


def send_tweets(server):
    for tweet in stream():
        broadcast(server, "/tweets", "tweet", tweet)


def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/socket.io/"):
        return socketio_manage(environ, {"/tweets": BaseNamespace})
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [page("twitterstream").encode()]


if __name__ == "__main__":
    server = SocketIOServer(("127.0.0.1", PORT), with_files(application))
    gevent.spawn(send_tweets, server)
    server.serve_forever()
