"""Limits for each client, and what happens when a client exceeds one.

for (let n = 1; n <= 6; n++) socket.emit("say", `hello ${n}`, console.log);
// five times "said", then { error: { message: "the event 'say' is dropped: a client may send 5 in a second ..." } }
"""

import waterspout

server = waterspout.Server(
    cors_origins="*",
    max_events_per_second=5,
    max_payload_bytes=10_000,
    max_attachments=1,
    max_outbox_bytes=100_000,
    max_namespaces=3,
    max_pending_acks=10,
    max_calls=100,
    connect_timeout=5,
)


@server.on("say")
def say(socket: waterspout.Socket, text: str) -> str:
    socket.broadcast("said", text)
    return "said"


@server.on_error
def warn(socket: waterspout.Socket, event: str, error: Exception) -> None:
    if isinstance(error, waterspout.RateLimited):
        socket.data["warnings"] = socket.data.get("warnings", 0) + 1
        if socket.data["warnings"] == 100:
            socket.disconnect(close=True)


if __name__ == "__main__":
    waterspout.run(server, port=8000)
