/* gevent_socketio_habits.mjs PORTS: clients 0.9.17, 2.5.0 and 4.8.4 of the three applications; a line of JSON for each result. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { listen, request as ask } from "./clients.mjs";

const require = createRequire(import.meta.url);
const old = require("socket.io-client-0.9");
const two = require("socket.io-client-2");
const { io: four } = require("socket.io-client-4");

const [flask, monitor, game] = process.argv[2].split(",");
let count = 0;

/** Connect a client; `of(name)` is another namespace of its connection. */
function visit09(transport, port, path) {
  old.transports = [transport];
  const options = { "force new connection": true, reconnect: false, resource: path };
  const socket = old.connect(`http://127.0.0.1:${port}?name=${transport}`, options);
  return { socket, of: (name) => socket.socket.of(name), close: () => socket.disconnect() };
}

const visit = (library) => (transport, port, path) => {
  const options = { path: `/${path}`, transports: [transport], reconnection: false, forceNew: true };
  const socket = library(`http://127.0.0.1:${port}`, { ...options, query: { name: transport }, auth: { ticket: "x" } });
  return { socket, of: (name) => socket.io.socket(name), close: () => socket.io.engine.close() };
};

const KINDS = [
  ["0.9.17", "websocket", visit09],
  ["0.9.17", "xhr-polling", visit09],
  ["2.5.0", "websocket", visit(two)],
  ["2.5.0", "polling", visit(two)],
  ["4.8.4", "websocket", visit(four)],
  ["4.8.4", "polling", visit(four)],
];

async function connected(client) {
  await listen(client.socket, "connect").next();
  return client;
}

/** Send until the client's own answer is among those that come. */
async function until(heard, matches) {
  let found;
  do found = await heard.next();
  while (!matches(...found));
  return found;
}

const scenarios = {
  async "Flask: an extension that dispatches events itself"(visit, transport) {
    const client = await connected(visit(flask, "socket.io"));
    const news = client.of("/news");
    const [welcome, messages, told] = ["welcome", "message", "told"].map((name) => listen(news, name));
    assert.deepEqual(await welcome.next(), [transport]);
    news.send("text");
    const place = transport === "polling" ? "xhr-polling" : transport;
    assert.deepEqual(await messages.next(), [`text over ${place}`]);
    (news.json ?? news).send({ a: 1 });
    assert.deepEqual(await messages.next(), [{ a: 1 }]);
    const name = `room ${(count += 1)}`;
    const inside = listen(news, "in the room");
    assert.deepEqual(await ask(news, "room", name), [[name]]);
    news.emit("my room event", name, { data: "x" });
    assert.deepEqual(await inside.next(), [{ data: "x" }]);
    news.on("question", (value, answer) => answer(value * 2));
    const answered = listen(news, "answered");
    news.emit("ask", 21);
    assert.deepEqual(await answered.next(), [42]);
    const page = await fetch(encodeURI(`http://127.0.0.1:${flask}/tell/${name}`));
    assert.equal(await page.text(), "told");
    await until(told, (text) => text === name);
    const expected = ["connect", "message", "json", "event", "event", "event", "ack"];
    assert.deepEqual(await ask(news, "types"), [expected]);
    return client;
  },
  async "a monitor: loops that end with their clients, and others' sessions"(visit) {
    const [client, other] = [await connected(visit(monitor, "live:1/socket.io")), await connected(visit(monitor, "live:1/socket.io"))];
    const [load, otherLoad] = [client.of("/load"), other.of("/load")];
    const [loads, ticks] = [listen(load, "load"), listen(load, "tick")];
    const [written, renamed, messages] = ["written", "renamed", "message"].map((name) => listen(otherLoad, name));
    const first = (await loads.next())[0].at;
    assert.ok((await loads.next())[0].at > first);
    const number = (await ticks.next())[0];
    assert.ok((await ticks.next())[0] > number);
    const [sessid] = await ask(otherLoad, "name", "other");
    load.emit("write", sessid, "hello");
    assert.deepEqual(await written.next(), ["hello"]);
    const name = `renamed ${(count += 1)}`;
    load.emit("other", sessid, name);
    assert.deepEqual(await renamed.next(), [{ name }]);
    assert.deepEqual(await messages.next(), [{ name }]);
    assert.deepEqual(await messages.next(), [name]);
    assert.ok((await ask(load, "names"))[0].includes(name));
    assert.deepEqual(await ask(load, "namespaces"), [["/load"], true, true, false]);
    other.close();
    while ((await ask(load, "names"))[0].includes(name)) await new Promise((done) => setTimeout(done, 10));
    while ((await ask(load, "is measured", sessid))[0]) await new Promise((done) => setTimeout(done, 10));
    return client;
  },
  async "a game: rooms, and access that other namespaces give"(visit, transport, generation) {
    const players = [await connected(visit(game, "socket.io")), await connected(visit(game, "socket.io"))];
    const names = players.map((_, index) => `player ${count += 1} ${index}`);
    const [one, two] = players.map((player) => player.socket);
    const table = players[0].of("/table");
    const denied = listen(table, "error");
    await listen(table, "seated").next();
    assert.deepEqual(await ask(table, "rules"), ["short"]);
    table.emit("deal", 2);
    assert.deepEqual(await denied.next(), ["method_access_denied", 'You do not have access to method "on_deal"']);
    const errors = listen(one, "error");
    one.emit("say", "room", "too early");
    assert.equal((await errors.next())[0], "method_access_denied");
    const allowed = ["on_enter", "on_kick", "on_leave", "on_lines", "on_log_in", "on_say", "on_ticket", "recv_disconnect"];
    assert.deepEqual(await ask(one, "log_in", names[0]), [allowed]);
    const [cards, all] = await ask(table, "deal", 2);
    assert.deepEqual(cards, ["card 0", "card 1"]);
    assert.ok(all.includes(names[0]));
    await listen(players[1].of("/table"), "seated").next();
    await ask(two, "log in", names[1]);
    const [entered, said] = [listen(one, "entered"), listen(one, "said")];
    const room = `room of ${names[0]}`;
    assert.deepEqual(await ask(one, "enter", room), [1]);
    assert.deepEqual(await ask(two, "enter", room), [2]);
    assert.deepEqual(await entered.next(), [names[1]]);
    two.emit("say", room, "hello");
    assert.deepEqual(await said.next(), [names[1], "hello"]);
    assert.deepEqual(await ask(one, "lines"), [["a player comes", "method_access_denied"]]);
    const left = listen(table, "disconnect");
    table.emit("stand");
    await left.next();
    assert.deepEqual(await ask(two, "ticket"), [two.auth ? { ticket: "x" } : null]);
    const kicked = listen(two, "disconnect");
    one.emit("kick", names[1]);
    assert.equal((await kicked.next())[0], { "2.5.0": "io server disconnect", "4.8.4": "io server disconnect" }[generation] ?? "booted");
    return players[0];
  },
};

const reported = KINDS.map(async ([generation, transport, visit]) => {
  for (const [scenario, play] of Object.entries(scenarios)) {
    let error = null;
    try {
      (await play((port, path) => visit(transport, port, path), transport, generation)).close();
    } catch (failure) {
      error = String(failure.stack ?? failure);
    }
    console.log(JSON.stringify({ generation, transport, scenario, error }));
  }
});
await Promise.all(reported);
process.exit();
