"""TW-16: the exceptions, their attributes and bases."""

from typing import Any

import pytest

from waterspout.faces.tornado_websockets import exceptions
from waterspout.faces.tornado_websockets.exceptions import TornadoWebSocketsError

KINDS = [
    (exceptions.EmitHandlerError, {"event": "say", "path": "/chat"}, ()),
    (exceptions.InvalidInstanceError, {"actual_instance": 5, "expected_instance_name": "WebSocket"}, (TypeError,)),
    (exceptions.NotCallableError, {"thing": "say"}, ()),
    (exceptions.WebSocketEventAlreadyBinded, {"event": "say", "path": "/chat"}, (NameError,)),
]


@pytest.mark.parametrize(("kind", "attributes", "bases"), KINDS, ids=lambda one: getattr(one, "__name__", ""))
def test_tw_16_the_exceptions(kind: Any, attributes: dict[str, Any], bases: tuple[type, ...]) -> None:
    for error in (kind(*attributes.values()), kind(**attributes)):
        assert isinstance(error, TornadoWebSocketsError)
        assert all(isinstance(error, base) for base in bases)
        assert {name: value for name, value in vars(error).items() if name in attributes} == attributes
        assert all(repr(value) in str(error) for value in attributes.values())
