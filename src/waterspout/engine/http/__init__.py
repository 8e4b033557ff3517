"""What a request over HTTP means, and whether it is allowed."""
