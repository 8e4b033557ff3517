"""Prices for the pages of a partner, and for browsers that have neither WebSocket nor CORS: JSONP.

A page at https://partner.example, with a client of 1.x or 2.x, which finds out by itself what the browser can do
(`forceJSONP: true` among its options makes it use JSONP anyway):

    <script src="socket.io.js"></script>
    <script>
      var socket = io("http://127.0.0.1:8000");
      socket.emit("price", "tea", function (price) { alert(price); });
    </script>
"""

import waterspout

PRICES = {"tea": 3, "coffee": 4}

# The credentials are for newer browsers: the XMLHttpRequests of these clients always ask for them.
server = waterspout.Server(cors_origins=["https://partner.example"], cors_credentials=True)


@server.on("price")
def price(socket: waterspout.Socket, product: str) -> int | None:
    return PRICES.get(product)


if __name__ == "__main__":
    waterspout.run(server, port=8000)
