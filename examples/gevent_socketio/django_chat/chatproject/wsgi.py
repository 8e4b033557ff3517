import os

from django.core.wsgi import get_wsgi_application
from pages import with_files

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
application = with_files(get_wsgi_application())
