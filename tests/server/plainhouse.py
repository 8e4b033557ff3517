"""A server with a namespace and channels at paths for plain WebSockets."""

import json
from typing import Any

from waterspout import Server
from waterspout.testing import EVENTS, Clock, Peer


class House:
    """A server whose namespace "/chat" is at /ws, and whose channel is at /prices."""

    def __init__(self, **options: Any) -> None:
        self.server = Server(driver=Clock(), **options)
        self.clock: Any = self.server.engine.driver
        self.chat = self.server.of("/chat")
        self.channel = self.server.channel("prices")
        self.news = self.server.channel("news")
        self.server.expose("/ws", self.chat)
        self.server.expose("/prices", self.channel)
        self.server.expose("/both", [self.channel, self.news])

    def come(self, path: str = "/ws", query: str = "", **options: Any) -> Peer:
        return Peer(self.server, generation=EVENTS, path=path, query=query, **options)

    def publish(self, *values: Any) -> list[str]:
        publishing = [self.channel.publish(value) for value in values]
        self.clock.settle()
        return [one.result() for one in publishing]


def heard(peer: Peer) -> list[Any]:
    return [json.loads(text) for text in peer.take()]


def entered(peer: Peer) -> bool:
    return [list(message) for message in heard(peer)] == [["connect"]]
