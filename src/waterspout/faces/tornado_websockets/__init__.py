"""django-tornado-websockets: its names and its behaviour, for applications written for it (docs/tornado-websockets.md).

    INSTALLED_APPS = [..., "waterspout.faces.tornado_websockets"]

Then `from tornado_websockets.websocket import WebSocket` in views works as before, and so does `manage.py runtornado`.
Its modules are those of the original. This one can be imported in settings.py.
"""

from .djangoapp import django_app

__all__ = ["django_app"]

__version__ = "0.1.2"
