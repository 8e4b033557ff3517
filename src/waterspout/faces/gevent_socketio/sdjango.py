"""Sockets in a Django project.

Each application has its namespaces in a module `sockets`, and the project's `urls.py` has:

    sdjango.autodiscover()
    urlpatterns = [path("socket.io/", include(sdjango.urls)), ...]
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from django.utils.module_loading import autodiscover_modules
from django.views.decorators.csrf import csrf_exempt

from . import socketio_manage

__all__ = ["SOCKETIO_NS", "autodiscover", "namespace", "socketio", "urls"]

Kind = TypeVar("Kind", bound=Callable[..., Any])

SOCKETIO_NS: dict[str, Callable[..., Any]] = {}
"""The classes of namespaces by name, as `namespace` has collected them."""


def namespace(name: str = "") -> Callable[[Kind], Kind]:
    """Return a decorator that serves a class as a namespace, by default as the global one."""

    def collect(kind: Kind) -> Kind:
        SOCKETIO_NS[name] = kind
        return kind

    return collect


def autodiscover() -> None:
    """Import the module `sockets` of each installed application that has one; what such a module raises is raised."""
    autodiscover_modules("sockets")


@transaction.non_atomic_requests  # type: ignore[untyped-decorator]  # or one would last as long as the client stays
@csrf_exempt  # type: ignore[untyped-decorator]
def socketio(request: HttpRequest) -> HttpResponse:
    """Manage a socket until it ends, with all namespaces that are collected; they have the request."""
    return HttpResponse(socketio_manage(request.environ, SOCKETIO_NS, request))


urls = [re_path("", socketio)]
