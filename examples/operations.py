"""Operations: a server in a Tornado application, with metrics at /stats and an orderly shutdown."""

import asyncio
import logging
import signal
from dataclasses import asdict

from tornado.web import Application, RequestHandler

import waterspout
from waterspout.hosts.tornado import drain, routes

server = waterspout.Server(trusted_proxies=["127.0.0.1"])


@server.on("echo")
def echo(socket: waterspout.Socket, text: str) -> str:
    return text


class Numbers(RequestHandler):
    def get(self) -> None:
        self.write(asdict(server.stats()))


async def main() -> None:
    logging.basicConfig(level="INFO")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    http = Application([("/stats", Numbers), *routes(server)]).listen(8000, "127.0.0.1")
    await stop.wait()
    http.stop()
    await server.close()  # disconnects the clients, waits for running handlers
    await drain(server)  # waits until all data is sent


if __name__ == "__main__":
    asyncio.run(main())
