"""The application for INSTALLED_APPS."""

from typing import Any

from django.apps import AppConfig
from django.core import checks

from .. import install
from .bindings import Bindings
from .djangoapp import check_configuration, connections_closed


class TornadoWebSocketsConfig(AppConfig):  # type: ignore[misc]
    """Gives the face its original name, as `install` does, with its ImportError."""

    name = "waterspout.faces.tornado_websockets"
    label = "tornado_websockets"

    def __init__(self, app_name: str, app_module: Any) -> None:
        super().__init__(app_name, app_module)
        install("tornado_websockets")

    def ready(self) -> None:
        Bindings.around = connections_closed
        checks.register(check_configuration)
