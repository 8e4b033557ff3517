"""Tokens of a language model: a POST to a FastAPI route streams them; who was cut off asks again with the last id."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from waterspout import Server
from waterspout.hosts.asgi import App
from waterspout.server import Channel

socketio = App(server := Server())
app = FastAPI(lifespan=socketio.lifespan)
app.mount("/socket.io", socketio)
runs: dict[str, asyncio.Task[None]] = {}


async def speak(run: Channel, question: str) -> None:
    for token in question.split():  # in the place of a model
        run.publish(token)
        await asyncio.sleep(0.05)
    run.end()


def user(authorization: Annotated[str, Header()]) -> str:
    if authorization == "Bearer secret":
        return "ann"
    raise HTTPException(401)


@app.post("/runs/{name}", response_class=EventSourceResponse)
async def ask(
    name: str, question: Annotated[str, Body()], request: Request, user: Annotated[str, Depends(user)]
) -> AsyncIterator[ServerSentEvent]:
    if (run := server.channel(f"{user}/{name}", start="earliest")).name not in runs:
        runs[run.name] = asyncio.create_task(speak(run, question))
    async for message in run.stream(request.headers.get("last-event-id")):
        yield ServerSentEvent(id=message.id, event=message.event, data=message.data)
