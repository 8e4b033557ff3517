/* All that can read a channel beside EventSources: Socket.IO by the code of docs/channels.md, curl and httpx. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Client, connectOldest } from "./clients.mjs";

const SOON_MS = 20;
const PATIENCE_MS = 5000; // with a first connection; 0.9.17 has its usual 10 s, since it would give up for good then
const FURTHER_PATIENCE_MS = 1500; // with each later one: of a cut before it was open they do not learn
const page = readFileSync(new URL("../../docs/channels.md", import.meta.url), "utf8");
const [code] = [...page.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block).filter((block) => block.includes('"follow"'));

/** Connect a client of Socket.IO, which comes back soon after each cut. */
function connect(generation, transport, port, channel) {
  if (generation === "0.9.17") {
    const delays = { "reconnection delay": SOON_MS, "reconnection limit": SOON_MS, "max reconnection attempts": Infinity };
    const transports = [transport === "polling" ? "xhr-polling" : transport];
    const socket = connectOldest(port, transports, { query: `channel=${channel}`, reconnect: true, "try multiple transports": false, ...delays });
    socket.once("connect", () => (socket.socket.options["connect timeout"] = FURTHER_PATIENCE_MS));
    return { socket, close: () => socket.disconnect() };
  }
  const delays = { reconnection: true, reconnectionDelay: SOON_MS, reconnectionDelayMax: SOON_MS, timeout: PATIENCE_MS };
  const client = new Client(port, { generation, transport, parser: "json" }, { query: { channel }, ...delays });
  client.socket.once("connect", () => client.manager.timeout(FURTHER_PATIENCE_MS));
  return client;
}

/** Subscribe with the code of the page; beside it, keep all that comes, and first the id from which the stream begins. */
function follow(generation, transport, url) {
  const { port, pathname } = new URL(url);
  const channel = pathname.slice(1);
  const events = [];
  const client = connect(generation, transport, port, channel);
  const { socket } = client;
  const come = (type, data, id) => events.push([type, JSON.stringify(data), id]);
  socket.on(channel, (data, id) => come("message", data, id));
  for (const type of ["stream-reset", "stream-end"]) socket.on(type, (data) => come(type, data, data.id));
  const emit = (event, last, done) =>
    socket.emit(event, last, (from) => {
      done(from);
      come("stream-open", {}, from);
    });
  const emitter = { on: (event, act) => socket.on(event, act), emit };
  new Function("socket", "show", "reload", code.replaceAll('"prices"', JSON.stringify(channel)))(emitter, () => {}, () => {});
  return {
    state: async () => ({ events, errors: [], isOver: false }),
    close: async () => client.close(),
  };
}

/** Run a client of HTTP, which goes on by itself and writes each event as a line. */
function run(python, kind, url) {
  const events = [];
  let isOver = false;
  const child = spawn(python, ["-m", "clients.streamreaders", kind, url], { stdio: ["pipe", "pipe", "inherit"] });
  createInterface(child.stdout).on("line", (line) => events.push(JSON.parse(line)));
  child.on("exit", (status) => (isOver = status === 0));
  return { state: async () => ({ events, errors: [], isOver }), close: async () => child.kill() };
}

export const SUBSCRIBERS = (python) => [
  ...["0.9.17", "2.5.0", "4.8.4"].flatMap((kind) =>
    ["websocket", "polling"].map((where) => ({ kind, where, open: async (url) => follow(kind, where, url) })),
  ),
  ...["curl", "httpx"].map((kind) => ({ kind, where: "HTTP", open: async (url) => run(python, kind, url) })),
];
