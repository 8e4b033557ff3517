"""A class of sockets: one object for each client, with the client's game in its attributes.

socket.emit("guess", 50, (answer) => console.log(answer)); // "higher"
socket.emit("give up", (number) => console.log(number)); // 73
"""

from random import randint

import waterspout


class Player(waterspout.Socket):
    number: int
    tries: int

    def on_connect(self, auth: dict[str, object]) -> None:
        self.number, self.tries = randint(1, 100), 0

    @waterspout.event
    def guess(self, number: int) -> str:
        self.tries += 1
        if number == self.number:
            self.broadcast("won", self.tries)
            return f"found with {self.tries}"
        return "higher" if number < self.number else "lower"

    @waterspout.event("give up")
    def give_up(self) -> int:
        return self.number

    def on_disconnect(self, reason: waterspout.Reason) -> None:
        print(f"gone after {self.tries} tries: {reason}")


server = waterspout.Server(cors_origins="*")
server.register("/", Player)

if __name__ == "__main__":
    waterspout.run(server, port=8000)
