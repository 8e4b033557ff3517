/* oldest.mjs PORT: socket.io-client 0.9.17 under Node beside 4.8.4 in one room; a line of JSON for each result. */
import assert from "node:assert/strict";
import { Cable } from "./cable.mjs";
import { Client, connectOldest, listen, request, within } from "./clients.mjs";

const port = Number(process.argv[2]);
const TEXTS = ["plain", "é € 😀", "line\nfeed", "a:b:c+d", "\ufffd3\ufffd", "", "\u2028 \\ \" '", "</script>"];
let count = 0;

const open = (transports, { at = port, ...options } = {}) => connectOldest(at, [transports].flat(), options);

async function connected(transport, options) {
  const socket = open(transport, options);
  await listen(socket, "connect").next();
  return socket;
}

const ask = (socket, ...args) => request(socket, ...args);
const enter = (socket, name) => socket.socket.of(name); // which asks the server, the first time

const scenarios = {
  async "texts, one by one and at once"(transport) {
    const socket = await connected(transport);
    const echoes = listen(socket, "message");
    for (const text of TEXTS) {
      socket.send(text);
      assert.deepEqual(await echoes.next(), [text]);
    }
    for (const text of TEXTS) socket.send(text);
    for (const text of TEXTS) assert.deepEqual(await echoes.next(), [text]);
    return socket;
  },
  async "values as JSON"(transport) {
    const socket = await connected(transport);
    const echoes = listen(socket, "message");
    for (const value of [{ a: [1, null, "😀"] }, [], 0, "text"]) {
      socket.json.send(value);
      assert.deepEqual(await echoes.next(), [value]);
    }
    return socket;
  },
  async "receipts"(transport) {
    const socket = await connected(transport);
    await within(new Promise((seen) => socket.send("text", seen)), "the receipt");
    return socket;
  },
  async "acknowledgements both ways"(transport) {
    const socket = await connected(transport);
    for (const text of TEXTS) assert.deepEqual(await ask(socket, "ack", text, { text }), [text, { text }]);
    assert.deepEqual(await ask(socket, "nothing"), []);
    socket.on("question", (a, answer) => answer(`${a}+1`, [2]));
    assert.deepEqual(await ask(socket, "ask", "a+b"), ["a+b+1", [2]]);
    assert.deepEqual(await ask(socket, "ask in vain"), ["AckTimeout"]);
    return socket;
  },
  async "a room with a client of today"(transport) {
    const room = `room ${(count += 1)}`;
    const [old, modern] = [await connected(transport), new Client(port, { generation: "4.8.4", transport: "websocket", parser: "json" })];
    await modern.connected();
    const [heard, seen] = [listen(old, "shout"), listen(modern.socket, "shout")];
    await Promise.all([ask(old, "join and tell", room), ask(modern.socket, "join and tell", room)]);
    old.emit("shout", room, "from the past 😀", { a: 1 });
    assert.deepEqual(await seen.next(), ["from the past 😀", { a: 1 }]);
    assert.deepEqual(await heard.next(), ["from the past 😀", { a: 1 }]);
    modern.socket.emit("shout", room, "from today");
    assert.deepEqual(await heard.next(), ["from today"]);
    modern.socket.emit("shout", room, { data: Buffer.from([0, 255]) });
    assert.deepEqual(await heard.next(), [{ data: "AP8=" }]);
    modern.close();
    return old;
  },
  async "events in order"(transport) {
    const socket = await connected(transport);
    const echoes = listen(socket, "echo");
    for (let number = 0; number < 500; number += 1) socket.emit("echo", number);
    for (let number = 0; number < 500; number += 1) assert.deepEqual(await echoes.next(), [number]);
    return socket;
  },
  async "endpoints"(transport) {
    const socket = await connected(transport);
    const chat = enter(socket, "/chat");
    const [welcome, said] = [listen(chat, "welcome"), listen(chat, "said")];
    chat.emit("say", "hello");
    assert.deepEqual(await welcome.next(), [{}]);
    assert.deepEqual(await said.next(), ["hello"]);
    const gone = listen(chat, "disconnect");
    chat.emit("kick");
    await gone.next();
    assert.deepEqual(await ask(socket, "ack", "still here"), ["still here"]);
    return socket;
  },
  async "endpoints that are closed"(transport) {
    const socket = await connected(transport);
    for (const [name, event] of [["/closed", "connect_failed"], ["/guarded", "connect_failed"], ["/nowhere", "error"]]) {
      const namespace = enter(socket, name);
      const told = listen(namespace, event);
      namespace.emit("anything");
      await told.next();
    }
    assert.deepEqual(await ask(socket, "ack", "still here"), ["still here"]);
    return socket;
  },
  async "refusal of the connection"(transport) {
    const socket = open(transport, { query: "refuse=1", reconnect: true });
    let connects = 0;
    socket.on("connect", () => (connects += 1));
    await listen(socket, "connect_failed").next();
    assert.equal(connects, 0);
    assert.equal(socket.socket.reconnecting, false);
    return socket;
  },
  async "100 kB each way"(transport) {
    const socket = await connected(transport);
    const text = '"😀\\n'.repeat(20_000);
    assert.deepEqual(await ask(socket, "ack", text), [text]);
    return socket;
  },
  async "heartbeats"(transport) {
    const socket = await connected(transport);
    const heard = [];
    const onPacket = socket.socket.transport.onPacket;
    socket.socket.transport.onPacket = function (packet) {
      heard.push(packet.type);
      return onPacket.call(this, packet);
    };
    const wanted = transport === "websocket" ? "heartbeat" : "noop";
    await within(new Promise((enough) => {
      const timer = setInterval(() => heard.filter((type) => type === wanted).length > 1 && enough(clearInterval(timer)), 20);
    }), "two of them");
    assert.deepEqual(await ask(socket, "ack", "alive"), ["alive"]);
    return socket;
  },
  async "disconnected by the server"(transport) {
    for (const event of ["kick", "hang up"]) {
      const socket = await connected(transport, { reconnect: true });
      const gone = listen(socket, "disconnect");
      socket.emit(event);
      assert.deepEqual(await gone.next(), ["booted"]);
      assert.equal(socket.socket.reconnecting, false);
    }
  },
  async "disconnected by the client"(transport) {
    const watcher = await connected(transport, { query: "room=watchers" });
    const left = listen(watcher, "left");
    const name = `${transport}-${(count += 1)}`;
    const socket = await connected(transport, { query: `name=${name}` });
    socket.disconnect();
    for (let who; who !== name; ) {
      const [next, why] = await left.next();
      if ((who = next) === name) assert.equal(why, "client namespace disconnect");
    }
    return watcher;
  },
  async "reconnection after a cut"(transport) {
    const cable = await Cable.to(port);
    const socket = await connected(transport, { at: cable.port, reconnect: true, "reconnection delay": 20 });
    const [gone, again] = [listen(socket, "disconnect"), listen(socket, "reconnect")];
    cable.cut();
    await gone.next();
    cable.mend();
    await again.next();
    assert.deepEqual(await ask(socket, "ack", "again"), ["again"]);
    socket.disconnect();
    await cable.close?.();
    return socket;
  },
  async "another transport when nothing comes over the first"(transport) {
    const other = transport === "websocket" ? "xhr-polling" : "websocket";
    const cable = await Cable.to(port);
    cable.swallow(`/1/${transport}/`);
    const socket = open([transport, other], { at: cable.port, query: "greet=you", "connect timeout": 1500 });
    const counts = { connect: 0, greeting: 0, disconnect: 0 };
    const tried = [];
    for (const event of Object.keys(counts)) socket.on(event, () => (counts[event] += 1));
    socket.on("connecting", (name) => tried.push(name));
    await listen(socket, "greeting").next();
    assert.deepEqual(await ask(socket, "ack", "over the other"), ["over the other"]);
    await new Promise((later) => setTimeout(later, 500)); // whether the end of the first does harm
    assert.deepEqual(await ask(socket, "ack", "still"), ["still"]);
    assert.deepEqual(tried, [transport, other]);
    assert.deepEqual(counts, { connect: 1, greeting: 1, disconnect: 0 });
    socket.disconnect();
    cable.close();
    return socket;
  },
};

for (const transport of ["websocket", "xhr-polling"]) {
  for (const [scenario, act] of Object.entries(scenarios)) {
    let error = null;
    try {
      (await act(transport))?.disconnect();
    } catch (failure) {
      error = failure.stack;
    }
    console.log(JSON.stringify({ transport, scenario, error }));
  }
}
process.exit();
