"""Shared by the other examples: a page that shows what comes. PORT is the port of an example (9000)."""

import os
from pathlib import Path

import tornado.web

PORT = int(os.environ.get("PORT", "9000"))
PAGE = Path(__file__).with_suffix(".html")


class Page(tornado.web.RequestHandler):
    def initialize(self, websocket=False):
        self.websocket = websocket

    def get(self):
        self.render(str(PAGE), websocket=self.websocket)
