"""What the face raises."""


class TornadoWebSocketsError(Exception):
    """Base of the others."""


class EmitHandlerError(TornadoWebSocketsError):
    """`WebSocket.emit` was called while no client is connected."""

    def __init__(self, event: str, path: str) -> None:
        super().__init__(f"{event!r} cannot be emitted at {path!r}: no client is connected")
        self.event = event
        self.path = path


class InvalidInstanceError(TornadoWebSocketsError, TypeError):
    """An object is not of the expected class."""

    def __init__(self, actual_instance: object, expected_instance_name: str) -> None:
        super().__init__(f"{actual_instance!r} is no instance of {expected_instance_name!r}")
        self.actual_instance = actual_instance
        self.expected_instance_name = expected_instance_name


class NotCallableError(TornadoWebSocketsError):
    """What was decorated cannot be called, such as the name in `@ws.on("name")`."""

    def __init__(self, thing: object) -> None:
        super().__init__(f"{thing!r} is not callable: decorate a function or a method")
        self.thing = thing


class WebSocketEventAlreadyBinded(TornadoWebSocketsError, NameError):
    """The event has a handler already."""

    def __init__(self, event: str, path: str) -> None:
        super().__init__(f"{event!r} has a handler already at {path!r}")
        self.event = event
        self.path = path
