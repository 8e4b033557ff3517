"""A shop of Django's and its cooks, from one command: views run in threads, and reach all clients.

waterspout serve django_app:server --app django_app:application
"""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from waterspout import Server, Socket

settings.configure(DEBUG=True, ROOT_URLCONF=__name__, SECRET_KEY="example")  # a project has a settings.py
application = get_wsgi_application()
server = Server()


@server.on("cook")
def cook(socket: Socket) -> None:
    socket.join("kitchen")


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{len(server.sockets(to='kitchen'))} cooks are here")


@require_POST
def order(request: HttpRequest) -> HttpResponse:
    dish = request.POST["dish"]
    replies = server.call("how long", dish, to="kitchen", timeout=5).wait()  # it blocks this thread, and nobody else
    minutes = min(replies.answers.values(), default=None)
    server.emit("ordered", dish, minutes)
    return JsonResponse({"minutes": minutes})


urlpatterns = [path("", home), path("orders", order)]
