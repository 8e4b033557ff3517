"""The smallest server: it sends the arguments of an event back as the acknowledgement.

Run it with `waterspout serve echo:server` in this directory, or with `python echo.py`. In a browser:

    const socket = io("http://127.0.0.1:8000");
    socket.emit("echo", "hello", 42, (...args) => console.log(args));
"""

import waterspout

server = waterspout.Server(cors_origins="*")


@server.on("echo")
def echo(socket: waterspout.Socket, *args: object) -> tuple[object, ...]:
    return args


if __name__ == "__main__":
    waterspout.run(server, port=8000)
