"""Acknowledgements in both directions: the server answers, calls one client, and calls all clients.

socket.on("sure?", (name, answer) => answer(confirm(`Delete ${name}?`)));
socket.on("vote", (question, answer) => answer(confirm(question)));
socket.emit("divide", 17, 5, (quotient, rest) => console.log(quotient, rest)); // 3 2
socket.emit("delete", "notes.txt", (done) => console.log(done));
socket.emit("poll", "Tea?", (result) => console.log(result)); // { yes: 2, silent: 1 }
"""

import waterspout

server = waterspout.Server(cors_origins="*")


@server.on("divide")
def divide(socket: waterspout.Socket, a: int, b: int) -> tuple[int, int]:
    if b == 0:
        raise waterspout.EventRefused("nobody divides by 0")
    return divmod(a, b)


@server.on("delete")
async def delete(socket: waterspout.Socket, name: str) -> bool:
    try:
        return await socket.call("sure?", name, timeout=10) is True
    except (waterspout.AckTimeout, waterspout.SocketClosed):
        return False


@server.on("poll")
async def poll(socket: waterspout.Socket, question: str) -> dict[str, int]:
    replies = await server.call("vote", question, timeout=10)
    return {"yes": list(replies.answers.values()).count(True), "silent": len(replies.missing)}


if __name__ == "__main__":
    waterspout.run(server, port=8000)
