"""The smallest settings, for development. DATABASE is the path of the database."""

import os
from pathlib import Path

PAGES = Path(__file__).parents[2] / "pages"

SECRET_KEY = "for development alone"
DEBUG = True
ROOT_URLCONF = "chatproject.urls"
WSGI_APPLICATION = "chatproject.wsgi.application"
INSTALLED_APPS = ["chat"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [PAGES]}]
TEMPLATES[0]["OPTIONS"] = {"context_processors": ["django.template.context_processors.request"]}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", ".demo/chat.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
