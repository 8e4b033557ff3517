"""What carries the packets of a session: polling and WebSocket."""
