"""Namespaces: one for staff with its own connect handler, and one for each game, created for its first player.

const game = io("http://127.0.0.1:8000/game/42");
game.on("moved", (move) => console.log(move));
game.emit("move", "e2e4", (players) => console.log(`${players} players here`));
const staff = io("http://127.0.0.1:8000/staff", { auth: { key: "open sesame" } }); // over the same connection
staff.emit("pause", (games) => console.log(games)); // ["/game/42"]
"""

import re

import waterspout

server = waterspout.Server(cors_origins="*")
staff = server.of("/staff")
games = server.of(re.compile(r"/game/\d+"))


@staff.on_connect
def enter(socket: waterspout.Socket, auth: dict[str, object]) -> None:
    if auth.get("key") != "open sesame":
        raise waterspout.ConnectRefused("Staff only.")


@staff.on("pause")
def pause(socket: waterspout.Socket) -> list[str]:
    games.emit("paused")
    return [game.name for game in games.namespaces()]


@games.on("move")
def move(socket: waterspout.Socket, move: str) -> int:
    socket.broadcast("moved", move)
    return len(server.of(socket.namespace).sockets())


if __name__ == "__main__":
    waterspout.run(server, port=8000)
