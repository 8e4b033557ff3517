"""Kiosks with clients of 0.7 to 0.9, and pages with modern clients, in the same rooms.

var kiosk = io.connect("http://127.0.0.1:8000?key=tulip&floor=2"); // 0.7 to 0.9: the query
kiosk.on("question", function (text, answer) { answer(confirm(text)); });
var page = io("http://127.0.0.1:8000", { auth: { key: "tulip", floor: "2" } }); // 3.x and 4.x
page.emit("ask", "Is it cold?", console.log); // the answers of the others on the floor: [true, false]
"""

from typing import Any

import waterspout

KEYS = {"tulip"}

server = waterspout.Server(transports=("websocket", "flashsocket", "polling"))


@server.on_connect
def enter(socket: waterspout.Socket, auth: dict[str, Any]) -> None:
    if auth.get("key") not in KEYS:
        raise waterspout.ConnectRefused("Which kiosk is this?")
    socket.data["floor"] = f"floor {auth.get('floor', '0')}"
    socket.join(socket.data["floor"])


@server.on("ask")
async def ask(socket: waterspout.Socket, text: str) -> list[Any]:
    replies = await server.call("question", text, to=socket.data["floor"], except_=socket, timeout=10)
    return list(replies.answers.values())


if __name__ == "__main__":
    waterspout.run(server, port=8000)  # for Flash: waterspout serve --flash-policy-port 843
