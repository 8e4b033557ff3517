"""The bytes of Socket.IO 0.7 to 0.9: packets, and what its transports put around them."""
