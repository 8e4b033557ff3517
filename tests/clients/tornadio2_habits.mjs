/* tornadio2_habits.mjs PORT: clients 0.9.17 and 4.8.4 of the three applications; a line of JSON for each result. */
import assert from "node:assert/strict";
import http from "node:http";
import { createRequire } from "node:module";
import { listen, request as ask } from "./clients.mjs";

const require = createRequire(import.meta.url);
const old = require("socket.io-client-0.9");
const { io } = require("socket.io-client-4");

const port = Number(process.argv[2]);
const COUNT = 250;
let cookie = "";

// the XMLHttpRequest of 0.9 refuses to send a cookie, which a browser adds
const { request } = http;
http.request = (options, ...rest) => request({ ...options, headers: { Cookie: cookie, ...options.headers } }, ...rest);

function visit09(transport, path) {
  old.transports = [transport];
  return old.connect(`http://127.0.0.1:${port}`, {
    "force new connection": true,
    reconnect: false,
    resource: path,
  });
}

const visit4 = (transport, path) =>
  io(`http://127.0.0.1:${port}`, {
    path: `/${path}/`,
    transports: [transport],
    reconnection: false,
    forceNew: true,
    extraHeaders: { Cookie: cookie },
  });

const KINDS = [
  ["0.9.17", "websocket", visit09],
  ["0.9.17", "xhr-polling", visit09],
  ["4.8.4", "websocket", visit4],
  ["4.8.4", "polling", visit4],
];

async function connected(socket) {
  await listen(socket, "connect").next();
  return socket;
}

const scenarios = {
  async "threads emit: everything once, and in their order"(visit) {
    const socket = await connected(visit("worker"));
    const [progress, done] = [listen(socket, "progress"), listen(socket, "done")];
    socket.emit("go", COUNT);
    for (let left = 4; left > 0; left -= 1) await done.next();
    const expected = Array.from({ length: COUNT }, (_, number) => number);
    assert.equal(progress.all.length, 4 * COUNT);
    for (let thread = 0; thread < 4; thread += 1) {
      const numbers = progress.all.filter(([from]) => from === thread).map(([, number]) => number);
      assert.deepEqual(numbers, expected);
    }
    socket.on("question", (one, other, reply) => reply(one * other));
    const answered = listen(socket, "answered");
    socket.emit("ask me");
    assert.deepEqual(await answered.next(), ["question", [42]]);
    return socket;
  },
  async "a thread tells everybody"(visit) {
    const socket = await connected(visit("worker"));
    const messages = listen(socket, "message");
    socket.send("the news");
    assert.deepEqual(await messages.next(), ["the news"]);
    return socket;
  },
  async "events are functions, and everybody is in the server's sessions"(visit) {
    const [socket, other] = [await connected(visit("dispatcher")), await connected(visit("dispatcher"))];
    const [here, there] = [listen(socket, "shouted"), listen(other, "shouted")];
    assert.deepEqual(await ask(socket, "marked", "x"), ["marked x"]);
    assert.deepEqual(await ask(socket, "add", 2, 3), [5]);
    const [text, many] = await ask(socket, "shout", "hey");
    assert.equal(text, "hey");
    assert.ok(many >= 2);
    for (const heard of [here, there]) assert.deepEqual(await heard.next(), ["hey"]);
    other.disconnect();
    return socket;
  },
  async "a session of Django's is found by its cookie"(visit) {
    cookie = "csrftoken=1; sessionid=77c1";
    const joined = visit("account");
    const [hello, visits] = [listen(joined, "hello"), listen(joined, "visits")];
    const socket = await connected(joined);
    assert.equal((await hello.next())[0].user, "mary");
    socket.emit("visit");
    const [{ user, visits: count }] = await visits.next();
    assert.equal(user, "mary");
    assert.ok(count > 5);
    assert.deepEqual(await ask(socket, "whoami"), ["77c1"]);
    return socket;
  },
  async "who has no session is refused"(visit, generation) {
    cookie = "sessionid=forged";
    const socket = visit("account");
    await listen(generation === "4.8.4" ? socket : socket.socket, generation === "4.8.4" ? "connect_error" : "error").next();
    assert.ok(!socket.connected && !socket.socket?.connected);
    return socket;
  },
};

for (const [generation, transport, visit] of KINDS) {
  for (const [scenario, play] of Object.entries(scenarios)) {
    let error = null;
    try {
      const socket = await play((path) => visit(transport, path), generation);
      socket.disconnect();
    } catch (failure) {
      error = String(failure.stack ?? failure);
    }
    console.log(JSON.stringify({ generation, transport, scenario, error }));
  }
}
process.exit(0);
