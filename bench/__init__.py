"""Waterspout beside its peers: the same load for each, one core for the server, one for the generator."""
