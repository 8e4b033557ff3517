"""Django's commands: `migrate` makes the database, `runserver_socketio` serves, and starts anew when code changes."""

from gevent import monkey

monkey.patch_all()

import os
import sys

from django.core.management import execute_from_command_line

from waterspout import faces

faces.install("gevent_socketio")  # the line that an old project adds
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
