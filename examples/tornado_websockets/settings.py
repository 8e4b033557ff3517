"""The settings of the project, whose sessions are in signed cookies, so that there is no database."""

import os
from pathlib import Path

from waterspout import faces

faces.install("tornado_websockets")  # the line that an old project adds
from tornado_websockets import django_app

DEBUG = os.environ.get("DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
SECRET_KEY = os.environ.get("SECRET_KEY", "only for this example, on your own machine")
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.sessions", "django.contrib.staticfiles", "tornado_websockets"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "static/"
USE_TZ = True

TORNADO = {
    "port": 8000,
    "handlers": [django_app()],
    "settings": {"compress_response": True},
}
if "CERTIFICATE" in os.environ:  # a file with a certificate and its key
    TORNADO["server"] = {"ssl_options": {"certfile": os.environ["CERTIFICATE"]}}
