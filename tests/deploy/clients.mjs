/* clients.mjs talk|return URL: clients of three generations behind a proxy; a line of JSON for each result.
 *
 * "return" says "ready" when all are connected, and reports those that have come back after a line of standard input.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { listen, request, within } from "../clients/clients.mjs";

const require = createRequire(new URL("../clients/", import.meta.url));
const [act, url] = process.argv.slice(2);
const EVENTS = 100;
const TEXT = '"😀\\n'.repeat(20_000); // 100 kB

const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

/** Connect a client of 2.x or 4.x; it comes back soon. */
function modern(name) {
  const library = require(name);
  const connect = library.io ?? library;
  return (transport) =>
    connect(url, {
      forceNew: true,
      transports: TRANSPORTS[transport],
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
      randomizationFactor: 0,
    });
}

/** Connect a client of 0.9. */
function old(transport) {
  const library = require("socket.io-client-0.9");
  library.transports = [{ polling: "xhr-polling", websocket: "websocket" }[transport]];
  return library.connect(url, {
    "force new connection": true,
    "reconnection delay": 50,
    "reconnection limit": 200,
    "max reconnection attempts": 100,
  });
}

const KINDS = [
  ...["polling", "websocket", "upgrade"].flatMap((transport) => [
    { generation: "4.8.4", transport, connect: modern("socket.io-client-4") },
    { generation: "2.5.0", transport, connect: modern("socket.io-client-2") },
  ]),
  ...["polling", "websocket"].map((transport) => ({ generation: "0.9.17", transport, connect: old })),
];

/** Wait until a client is connected, over the transport that is meant to be reached. */
async function connected(socket, transport) {
  await listen(socket, "connect").next();
  const engine = socket.io?.engine;
  if (transport === "upgrade" && engine.transport.name === "polling") {
    await within(new Promise((resolve) => engine.on("upgrade", resolve)), "the upgrade");
  }
  return socket;
}

async function talk({ generation, transport, connect }) {
  const socket = await connected(connect(transport), transport);
  const echoes = listen(socket, "echo");
  for (let number = 0; number < EVENTS; number += 1) socket.emit("echo", number, "é 😀");
  for (let number = 0; number < EVENTS; number += 1) assert.deepEqual(await echoes.next(), [number, "é 😀"]);
  assert.deepEqual(await request(socket, "ack", TEXT), [TEXT]);
  if (generation !== "0.9.17") {
    const bytes = Buffer.alloc(100_000, 7);
    assert.deepEqual(await request(socket, "ack", bytes), [bytes]);
  }
  return farewell(socket);
}

/** Ask the server whom it talks to, add the transport that is used, and leave. */
async function farewell(socket) {
  const [who] = await request(socket, "who");
  const { name } = socket.io?.engine?.transport ?? socket.socket.transport;
  socket.disconnect();
  return { ...who, over: name };
}

/** Connect, and return what tells who the server is after the connection was lost. */
async function leave({ transport, connect }) {
  const socket = await connected(connect(transport), transport);
  const [gone, again] = [listen(socket, "disconnect"), listen(socket, "connect")];
  return async () => {
    await gone.next();
    await again.next();
    return farewell(socket);
  };
}

async function report(kind, promise) {
  const { generation, transport } = kind;
  const [who, error] = await promise.then((result) => [result, null], (failure) => [null, failure.stack]);
  console.log(JSON.stringify({ generation, transport, who, error }));
}

// One after the other for 0.9, whose transports are an option of the library as a whole.
if (act === "talk") {
  for (const kind of KINDS) await report(kind, talk(kind));
} else {
  const returns = [];
  for (const kind of KINDS) returns.push([kind, await leave(kind)]);
  console.log("ready");
  await once(process.stdin, "data");
  await Promise.all(returns.map(([kind, back]) => report(kind, back())));
}
process.exit();
