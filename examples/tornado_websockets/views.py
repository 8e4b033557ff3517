"""The pages, and the WebSockets that they use."""

import time

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from tornado_websockets.modules import ProgressBar
from tornado_websockets.websocket import WebSocket

chat = WebSocket("/chat")


@chat.on
def open(socket):
    socket.name = socket.django_request.session.get("name")
    if socket.name is None:
        socket.close(4401)
    else:
        chat.emit("joined", {"name": socket.name, "count": len(chat.handlers)})


@chat.on
def close(socket):
    if socket.name is not None:
        chat.emit("left", {"name": socket.name, "count": len(chat.handlers)})


@chat.on
def say(socket, data):
    chat.emit("said", {"name": socket.name, "text": str(data.get("message", ""))[:1000]})


uploads = WebSocket("/uploads")
bar = ProgressBar("upload")
uploads.bind(bar)


def index(request):
    return render(request, "chat.html") if "name" in request.session else redirect("/login")


def login(request):
    name = request.POST.get("name", "").strip()[:50]
    if not name:
        return render(request, "login.html")
    request.session["name"] = name
    return redirect("/")


def upload(request):
    """Take a slice of a file: from a byte, of so many; a real one would keep it."""
    if request.method != "POST":
        return render(request, "upload.html")
    received = int(request.GET["from"]) + len(request.body)
    bar.set(100 * received / max(int(request.GET["of"]), 1), request.GET["name"])
    return JsonResponse({"received": received})


def slow(request):
    """Block a thread: sockets and other views go on."""
    time.sleep(min(float(request.GET.get("seconds", 1)), 10))
    return HttpResponse("done")
