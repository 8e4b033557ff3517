"""Access control: a closed namespace, in which a client may send what its key and then its password allow.

const admin = io("http://127.0.0.1:8000/admin", { auth: { key: "reader" } });
admin.emit("count", console.log); // 1
admin.emit("stop", console.log); // { error: { message: "Unknown event" } }
admin.emit("unlock", "open sesame", () => admin.emit("stop", console.log)); // "stopped"
"""

import waterspout

server = waterspout.Server(cors_origins="*")
admin = server.of("/admin", closed=True)
EVENTS = {"reader": ("count", "unlock"), "guest": ("unlock",)}


@admin.on_connect
def enter(socket: waterspout.Socket, auth: dict[str, object]) -> None:
    socket.allow(*EVENTS.get(str(auth.get("key")), ()))


@admin.on("unlock")
def unlock(socket: waterspout.Socket, password: str) -> None:
    if password != "open sesame":
        socket.deny("unlock")  # one attempt
        raise waterspout.EventRefused("Wrong password")
    socket.allow_all()


admin.on("count")(lambda socket: len(admin.sockets()))
admin.on("stop")(lambda socket: "stopped")

if __name__ == "__main__":
    waterspout.run(server, port=8000)
