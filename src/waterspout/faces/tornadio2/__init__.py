"""TornadIO2: its names and its behaviour, for applications that were written for it (docs/tornadio2.md)."""
