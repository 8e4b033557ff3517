"""Modules: events of their own behind a name, and the progress bar of both versions."""

import threading
from typing import Any

import pytest

from faces.tornado_websockets.site import Site, event, got
from waterspout.faces.tornado_websockets.exceptions import WebSocketEventAlreadyBinded
from waterspout.faces.tornado_websockets.modules import Module, ProgressBar, progress_bar
from waterspout.faces.tornado_websockets.websocket import WebSocket

pytestmark = pytest.mark.usefixtures("quiet")


async def test_a_module_has_events_of_its_own(host: Site) -> None:
    ws = host.websocket_at()
    module = Module("camera")

    @module.on
    def open(socket: Any) -> None:
        socket.emit("opened")

    ws.bind(module)

    @module.on
    def zoom(data: Any) -> None:
        module.emit("zoomed", data)

    assert (ws.modules, sorted(ws.events)) == ([module], ["camera_open", "camera_zoom"])
    module.emit("nobody is here")
    await host.begin()
    wire = await host.open()
    assert await got(wire) == ("opened", {})
    for name in ("camera_open", "camera_zoom"):
        wire.send(event(name, {"by": 2}))
    assert await got(wire) == ("warning", {"message": "Event is not binded."})
    assert await got(wire) == ("camera_zoomed", {"by": 2})


def test_a_module_has_a_name_and_one_websocket() -> None:
    with pytest.raises(ValueError, match="a module needs a name"):
        Module("")
    module, ws = Module("a"), WebSocket("/test")
    module.emit("event")  # it is not bound, and nobody can be connected
    ws.bind(module)
    with pytest.raises(ValueError, match="bound already"):
        ws.bind(module)
    with pytest.raises(WebSocketEventAlreadyBinded):
        [module.on(twice) for _ in range(2)]


def twice(socket: Any) -> None: ...


def state(value: float, label: str | None = None, **more: Any) -> tuple[str, Any]:
    shape = {"min": 0, "max": 3, "value": value, "indeterminate": False, "label": label, "done": value == 3}
    return "bar_update", {**shape, **more}


async def test_a_progress_bar_moves_and_is_shown_to_new_clients(host: Site) -> None:
    ws, bar = host.websocket_at(), ProgressBar("bar", 0, 3)
    ws.bind(bar)
    bar.tick()  # while nobody looks
    await host.begin()
    wire = await host.open()
    assert await got(wire) == state(1)

    def move() -> None:
        bar.tick("half")
        bar.set(10)
        bar.set(-1, "less")
        bar.reset()

    thread = threading.Thread(target=move)
    thread.start()
    moves = [state(2, "half"), state(3, "half"), state(0, "less"), state(0, "")]
    assert [await got(wire) for _ in moves] == moves
    thread.join()
    bar.indeterminate = True
    bar.tick(step=3)
    assert await got(wire) == state(3, "", indeterminate=True)


async def test_a_bar_moves_on_while_a_client_is_being_closed(host: Site) -> None:
    ws, bar = host.websocket_at(), ProgressBar("bar", 0, 3)
    ws.bind(bar)
    await host.begin()
    first, second = await host.open(), await host.open()
    assert [await got(first), await got(second)] == [state(0)] * 2
    ws[0].close()
    bar.tick()
    assert await got(second) == state(1)
    assert await first.closing() == 1000


@pytest.mark.parametrize(("least", "most"), [(1, 1), (2, 1), (float("nan"), 1)])
def test_a_progress_bar_has_somewhere_to_go(least: float, most: float) -> None:
    with pytest.raises(ValueError, match="max has to be larger"):
        ProgressBar("bar", least, most)


def test_the_progress_bar_of_version_0_1_has_a_websocket_of_its_own() -> None:
    bar = progress_bar.ProgressBar("/bar", 0, 3, add_to_handlers=False)
    assert bar.websocket.path == "/bar"
    assert sorted(bar.websocket.events) == ["progress_bar_open"]
