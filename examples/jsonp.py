"""JSONP: prices for pages of another site, in browsers without WebSocket and CORS.

A page at https://partner.example has a client of 1.x or 2.x, which detects what the browser supports (the option
`forceJSONP: true` makes it always use JSONP):

    <script src="socket.io.js"></script>
    <script>
      var socket = io("http://127.0.0.1:8000");
      socket.emit("price", "tea", function (price) { alert(price); });
    </script>
"""

import waterspout

PRICES = {"tea": 3, "coffee": 4}

# cors_credentials is for newer browsers, where the XMLHttpRequests of these clients always ask for credentials.
server = waterspout.Server(cors_origins=["https://partner.example"], cors_credentials=True)


@server.on("price")
def price(socket: waterspout.Socket, product: str) -> int | None:
    return PRICES.get(product)


if __name__ == "__main__":
    waterspout.run(server, port=8000)
