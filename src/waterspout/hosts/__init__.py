"""Who owns the sockets."""
