"""Django's ASGI application: an asynchronous view emits to all clients.

Run it with `uvicorn --lifespan off django_asgi:app` or `daphne django_asgi:app`.
"""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from waterspout import Server, Socket
from waterspout.hosts.asgi import App

settings.configure(DEBUG=True, ROOT_URLCONF=__name__, SECRET_KEY="example")  # a project has a settings.py
server = Server()
app = App(server, get_asgi_application())


@server.on("say")
def say(socket: Socket, text: str) -> None:
    server.emit("said", text)


@require_POST
async def news(request: HttpRequest) -> HttpResponse:
    server.emit("news", request.GET["text"])
    return HttpResponse("ok")


urlpatterns = [path("news", news)]
