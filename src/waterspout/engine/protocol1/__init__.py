"""Connections of Socket.IO 0.7 to 0.9 (protocol revision 1): requests, sessions that resume, transports."""
