"""A chat room: nicknames, messages to all others, and events when somebody joins or leaves.

const socket = io("http://127.0.0.1:8000", { auth: { name: "Ada" } });
socket.on("said", (name, text) => console.log(`${name}: ${text}`));
socket.emit("say", "hello", (others) => console.log(`sent to ${others} others`));
"""

import waterspout

server = waterspout.Server(cors_origins="*")


@server.on_connect
def connect(socket: waterspout.Socket, auth: dict[str, object]) -> None:
    name = auth.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 24:
        raise waterspout.ConnectRefused("Choose a name of 1 to 24 characters.")
    socket.data["name"] = name
    socket.join("chat")
    socket.broadcast("came", name, to="chat")


@server.on("say")
def say(socket: waterspout.Socket, text: str) -> int:
    socket.broadcast("said", socket.data["name"], text[:2000], to="chat")
    return len(server.sockets()) - 1


@server.on_disconnect
def disconnect(socket: waterspout.Socket, reason: str) -> None:
    server.emit("left", socket.data["name"], to="chat")


if __name__ == "__main__":
    waterspout.run(server, port=8000)
