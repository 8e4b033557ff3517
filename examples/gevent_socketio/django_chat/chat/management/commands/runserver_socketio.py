from django.core.management.commands import runserver
from django.utils import autoreload
from socketio.server import SocketIOServer


class Command(runserver.Command):
    help = "Serves pages and sockets for development, and starts anew when code changes."

    def inner_run(self, *args, **options):
        autoreload.raise_last_exception()
        self.check(display_num_errors=True)
        self.check_migrations()
        server = SocketIOServer((self.addr, int(self.port)), self.get_handler(*args, **options))
        autoreload.file_changed.connect(lambda **changed: server.stop(1), weak=False)
        self.stdout.write(f"Listening on http://{self.addr}:{self.port}")
        server.serve_forever()
