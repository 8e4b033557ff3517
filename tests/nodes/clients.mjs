/* clients.mjs URL: clients of all generations behind a balancer. They do what lines of standard input ask for:
 *
 *     {"client": "4.8.4 polling", "event": "enter", "args": ["room"], "number": 1}
 *
 * and write a line for each event that they get, "connect" and "disconnect" too, and for each answer.
 * Each has an address of its own, by which the balancer chooses a node; those of 0.9 share one.
 */
import http from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../clients/", import.meta.url));
const WebSocket = require("ws");
const [url] = process.argv.slice(2);
const EVENTS = ["connect", "disconnect", "news", "question"];
const clients = {};
let addresses = 1;

const write = (line) => console.log(JSON.stringify(line));

/** Write what a client gets, and answer questions with its name. */
function listen(name, socket, on) {
  for (const event of EVENTS) {
    on(event, (...args) => {
      const answer = event === "question" ? args.pop() : () => {};
      write({ client: name, event, args: event === "disconnect" ? [] : args });
      answer(name);
    });
  }
}

function modern(name, library, transports) {
  const agent = new http.Agent({ localAddress: `127.0.1.${(addresses += 1)}`, keepAlive: true });
  const socket = (library.io ?? library)(url, {
    agent,
    forceNew: true,
    transports,
    withCredentials: true, // with the balancer's cookie, from 4.8 on
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  listen(name, socket, socket.on.bind(socket));
  clients[name] = (event, args, done) => socket.emit(event, ...args, done);
}

function old(name, library, transports) {
  http.globalAgent.options.localAddress = "127.0.1.1";
  library.transports = transports;
  const socket = library.connect(url, {
    "force new connection": true,
    "reconnection delay": 50,
    "reconnection limit": 200,
    "max reconnection attempts": 1000,
  });
  listen(name, socket, socket.on.bind(socket));
  clients[name] = (event, args, done) => socket.emit(event, ...args, done);
}

/** A WebSocket without a library, at the path that the server exposes. */
function plain(name) {
  const localAddress = `127.0.1.${(addresses += 1)}`;
  const answers = new Map();
  let socket;
  const connect = () => {
    socket = new WebSocket(`${url.replace("http", "ws")}/prices`, { localAddress });
    socket.on("message", (text) => {
      const { connect, event, data, id } = JSON.parse(text);
      if (connect) return write({ client: name, event: "connect", args: [] });
      if (!event) return answers.get(id)(data);
      write({ client: name, event, args: data === undefined ? [] : [data] });
      if (id) socket.send(JSON.stringify({ id, data: name }));
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      write({ client: name, event: "disconnect", args: [] });
      setTimeout(connect, 100);
    });
  };
  connect();
  clients[name] = (event, args, done) => {
    const id = answers.size + 1;
    answers.set(id, done);
    socket.send(JSON.stringify({ event, data: args[0], id }));
  };
}

for (const transport of ["polling", "websocket"]) {
  modern(`4.8.4 ${transport}`, require("socket.io-client-4"), [transport]);
  modern(`2.5.0 ${transport}`, require("socket.io-client-2"), [transport]);
}
old("0.9.17 polling", require("socket.io-client-0.9"), ["xhr-polling"]);
plain("plain WebSocket");
setTimeout(() => old("0.9.17 websocket", require("socket.io-client-0.9"), ["websocket"]), 0);

createInterface({ input: process.stdin }).on("line", (line) => {
  const { client, event, args, number } = JSON.parse(line);
  clients[client](event, args, (...values) => write({ client, number, answer: values[0] ?? null }));
}).on("close", () => process.exit());
