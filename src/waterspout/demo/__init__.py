"""A chat to try Waterspout with: `waterspout demo`."""
