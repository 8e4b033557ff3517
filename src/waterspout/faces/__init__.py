"""Older libraries that live on: their names, with their meaning, on this engine."""
