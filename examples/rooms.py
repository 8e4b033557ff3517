"""Rooms: the teams of a quiz, which clients join, and the server sends to, merges and disconnects.

socket.on("heard", (text) => console.log(text));
socket.emit("team", "red", (size) => console.log(`${size} in red`));
socket.emit("whisper", "red", "It is 42."); // to the others in red
socket.emit("merge", "red", "blue", console.log); // how many blue has now
"""

import waterspout

server = waterspout.Server(cors_origins="*")


@server.on("team")
def team(socket: waterspout.Socket, name: str) -> int:
    socket.leave(*socket.rooms)
    socket.join(name)
    return len(server.sockets(to=name))


@server.on("whisper")
def whisper(socket: waterspout.Socket, name: str, text: str) -> None:
    socket.broadcast("heard", text, to=name)


@server.on("merge")
def merge(socket: waterspout.Socket, old: str, new: str) -> int:
    server.join(new, to=old)
    server.close_room(old)
    return len(server.sockets(to=new))


@server.on("home")
def home(socket: waterspout.Socket, winner: str) -> None:
    server.emit("over", winner)
    server.disconnect(except_=winner)


if __name__ == "__main__":
    waterspout.run(server, port=8000)
