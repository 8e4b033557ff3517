"""An Engine.IO server that echoes every message, text and binary, as the official test suites expect."""

import asyncio

from tornado.web import Application

from waterspout import Engine
from waterspout.hosts.tornado import routes


class Echo:
    def open(self, session, request): ...

    def message(self, session, data):
        session.send(data)

    def close(self, session, reason): ...


async def main():
    Application(routes(Engine(Echo()))).listen(3000)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
