// Node's socket.io as its documentation advises for speed: ws with bufferutil, no
// compression, no static files, and the first request of a connection forgotten.
//
// usage: node node.js PORT
"use strict";

const { createServer } = require("node:http");
const { mask } = require("bufferutil");
const { Server } = require("socket.io");

if (!mask.toString().includes("[native code]")) {
  console.error("bufferutil's native module does not load here: its JavaScript form would slow this peer down");
  process.exit(1);
}

const http = createServer();
const io = new Server(http, { serveClient: false, perMessageDeflate: false, httpCompression: false });

io.engine.on("connection", (session) => {
  session.request = null;
});

io.on("connection", (socket) => {
  socket.on("echo", (argument, acknowledge) => acknowledge(argument));
  socket.on("echo2", (argument) => socket.emit("echo2", argument));
  socket.on("bcast", (argument) => io.emit("bcast", argument));
});

http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
