// One of several nodes of Node's socket.io, which its adapter for Redis connects, with the client that its
// documentation shows first.
//
// usage: node nodes.js PORT PUBLISH_PORT URL
"use strict";

const net = require("node:net");
const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

const HOST = "127.0.0.1";
const ROOM = "news";

const [port, publishPort, url] = process.argv.slice(2);

async function serve() {
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);

  const http = createServer();
  const io = new Server(http, {
    adapter: createAdapter(publisher, subscriber),
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
  });

  io.on("connection", (socket) => {
    socket.on("follow", (acknowledge) => {
      socket.join(ROOM);
      acknowledge();
    });
  });

  const lines = net.createServer((connection) => {
    createInterface({ input: connection }).on("line", (line) => {
      io.to(ROOM).emit("news", JSON.parse(line));
    });
  });

  lines.listen(Number(publishPort), HOST, () => {
    http.listen({ port: Number(port), host: HOST, backlog: 4096 });
  });
}

serve();
