// Server-Sent Events by Node's own http: each event is written once for all clients.
//
// usage: node events.js PORT PUBLISH_PORT
"use strict";

const { createServer } = require("node:http");
const net = require("node:net");
const { createInterface } = require("node:readline");

const HOST = "127.0.0.1";
const clients = new Set();

const http = createServer((request, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  response.flushHeaders();
  clients.add(response);
  response.on("close", () => clients.delete(response));
});

let id = 0;
const publisher = net.createServer((connection) => {
  createInterface({ input: connection }).on("line", (line) => {
    const event = Buffer.from(`data: ${JSON.stringify(JSON.parse(line))}\nid: ${++id}\n\n`);
    for (const response of clients) {
      response.write(event);
    }
  });
});

publisher.listen(Number(process.argv[3]), HOST, () => {
  http.listen({ port: Number(process.argv[2]), host: HOST, backlog: 4096 });
});
