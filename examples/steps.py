"""Steps: check who a client is before it connects, and check or change every event before its handler.

const socket = io("http://127.0.0.1:8000", { auth: { token: "b2" } });
socket.emit("say", "  hello  ", console.log); // "Bob: hello"
socket.emit("admin:close", console.log); // { error: { code: 403, message: "'admin:close' is not for you" } }
"""

import waterspout

server = waterspout.Server(cors_origins="*")
TOKENS = {"a1": "Ada", "b2": "Bob"}


@server.use
def know(socket: waterspout.Socket, auth: dict[str, object]) -> None:
    name = TOKENS.get(str(auth.get("token")))
    if name is None:
        raise waterspout.ConnectRefused({"code": 401}, message="Who are you?")
    socket.data["name"] = name


@server.use_event
def permit(socket: waterspout.Socket, event: str, args: list[object]) -> None:
    if event.startswith("admin:") and socket.data["name"] != "Ada":
        raise waterspout.EventRefused(f"{event!r} is not for you", code=403)


@server.use_event
def strip(socket: waterspout.Socket, event: str, args: list[object]) -> bool:
    args[:] = [arg.strip() if isinstance(arg, str) else arg for arg in args]
    return "" not in args


server.on("say")(lambda socket, text: f"{socket.data['name']}: {text}")
server.on("admin:close")(lambda socket: "closed")

if __name__ == "__main__":
    waterspout.run(server, port=8000)
