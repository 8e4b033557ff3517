"""What runs in the task of an asynchronous function: it, and the answer to its asker."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from ..engine.driver import INTERRUPTS, Asker
from .ending import AT_THE_END
from .system import name_of


async def carry(coroutine: Coroutine[Any, Any, Any], asker: Asker, token: Any) -> None:
    """Await it, and tell the asker what came of it.

    The guard (`lag`) and `running_asker` read the names of these arguments.
    """
    try:
        result = await coroutine
    except BaseException as error:
        if _is_destroyed(error):
            raise
        if error.args == (AT_THE_END,):
            asker.failed(token, TimeoutError(f"{name_of(coroutine)} was still running at the end, and was cancelled"))
        else:
            asker.failed(token, error)
        if isinstance(error, (*INTERRUPTS, asyncio.CancelledError)):
            raise
    else:
        asker.answered(token, result)


def _is_destroyed(error: BaseException) -> bool:
    """Tell whether a task is collected unfinished, after its loop: nobody is there to be told.

    A GeneratorExit that a user's function raises comes out of a frame below that of `carry`.
    """
    trace = error.__traceback__
    return isinstance(error, GeneratorExit) and (trace is None or trace.tb_next is None)


def running_asker() -> Asker | None:
    """Return the asker of the running task, if `carry` is what it runs."""
    task = asyncio.current_task()
    coroutine = None if task is None else task.get_coro()
    frame = getattr(coroutine, "cr_frame", None)
    return frame.f_locals["asker"] if frame is not None and frame.f_code is carry.__code__ else None


async def as_coroutine(awaitable: Any) -> Any:
    """Await whatever can be awaited: a task takes nothing but a coroutine."""
    return await awaitable
