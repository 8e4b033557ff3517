"""Tornadose: its names and its behaviour, for applications that were written for it (docs/tornadose.md).

    from waterspout.faces import tornadose

    store = tornadose.stores.DataStore()
    application = tornado.web.Application([(r"/", tornadose.handlers.EventSource, {"store": store})])

    store.set_data(0.5)

Its modules are those of the original, with the names that were documented.
"""

from . import handlers, stores

__all__ = ["handlers", "stores"]

__version__ = "0.2.2"
