/* gevent_socketio.mjs PORT: clients 0.9.17, 2.5.0 and 4.8.4 of one application; a line of JSON for each result. */
import assert from "node:assert/strict";
import { listen, request as ask, within } from "./clients.mjs";
import { KINDS, TEXTS, play } from "./kinds.mjs";

const port = Number(process.argv[2]);
let count = 0;

async function connected(make) {
  const client = make(port, {});
  await listen(client.socket, "connect").next();
  if (client.transport === "upgrade") await client.upgraded();
  return client;
}

/** Connect to a namespace, and wait until the application has seen it. */
async function enter(client, name) {
  const socket = client.of(name);
  const welcome = listen(socket, "connected");
  assert.deepEqual(await welcome.next(), [name]);
  return socket;
}

async function refused(socket, event, name) {
  const errors = listen(socket, "error");
  socket.emit(event);
  assert.equal((await errors.next())[0], name);
}

const scenarios = {
  async "texts and values"(make) {
    const client = await connected(make);
    const echoes = listen(client.socket, "message");
    for (const text of TEXTS) client.socket.send(text);
    for (const text of TEXTS) assert.deepEqual(await echoes.next(), [text]);
    for (const value of [{ a: [1, null, "😀"] }, [], 0]) {
      (client.socket.json ?? client.socket).send(value);
      assert.deepEqual(await echoes.next(), [value]);
    }
    return client;
  },
  async "acknowledgements of every kind"(make) {
    const client = await connected(make);
    assert.deepEqual(await ask(client.socket, "nothing"), [null]);
    assert.deepEqual(await ask(client.socket, "list"), [[1, 2]]);
    assert.deepEqual(await ask(client.socket, "ack", "one", { a: 1 }), ["one", { a: 1 }]);
    assert.deepEqual(await ask(client.socket, "by hand", "x"), ["x", "later"]);
    assert.deepEqual(await ask(client.socket, "by method", "y"), ["y", "at once"]);
    const [keys, args] = await ask(client.socket, "packet", { b: 2 });
    assert.deepEqual([keys, args], [["ack", "args", "endpoint", "id", "name", "type"], [{ b: 2 }]]);
    const answered = listen(client.socket, "answered");
    client.socket.on("question", (text, answer) => answer(`${text}+c`, [2]));
    client.socket.emit("question", "a+b");
    assert.deepEqual(await answered.next(), ["a+b+c", [2]]);
    return client;
  },
  async "namespaces that their first packet makes"(make) {
    const client = await connected(make);
    const [chat, other] = [await enter(client, "/chat"), await enter(client, "/other")];
    assert.deepEqual(await ask(chat, "ack", 1), [1]);
    const gone = listen(chat, "disconnect");
    chat.emit("leave me");
    await gone.next();
    assert.deepEqual(await ask(other, "ack", "here, too"), ["here, too"]);
    assert.deepEqual(await ask(client.socket, "ack", "still here"), ["still here"]);
    assert.deepEqual(await ask(client.socket, "views"), [1]);
    return client;
  },
  async "one that does not exist"(make, generation) {
    const client = await connected(make);
    const nowhere = client.of("/nowhere");
    const told = listen(nowhere, generation === "4.8.4" ? "connect_error" : "error");
    const [why] = await told.next();
    assert.match(String(why?.message ?? why), /no_such_namespace|Invalid namespace/);
    assert.deepEqual(await ask(client.socket, "ack", "alive"), ["alive"]);
    return client;
  },
  async "access to methods"(make) {
    const client = await connected(make);
    const closed = client.of("/closed");
    await refused(closed, "secret", "method_access_denied");
    assert.deepEqual(await ask(closed, "log in"), ["in"]);
    assert.deepEqual(await ask(closed, "secret"), ["the secret"]);
    return client;
  },
  async "errors, after which the socket lives"(make) {
    const client = await connected(make);
    await refused(client.socket, "unheard of", "no_such_method");
    await refused(client.socket, "__init__", "unallowed_event_name");
    await refused(client.socket, "fail", "internal_error");
    assert.deepEqual(await ask(client.socket, "ack", "alive"), ["alive"]);
    return client;
  },
  async "broadcasts and rooms, to clients of all generations"(make) {
    const all = [await connected(make)];
    for (const [, , other] of KINDS) all.push(await connected(other));
    const sockets = await Promise.all(all.map((client) => enter(client, "/chat")));
    const heard = sockets.map((socket) => listen(socket, "said"));
    const word = `word ${(count += 1)}`;
    const until = async (each, text) => { while ((await each.next())[0] !== text); };
    sockets[0].emit("user message", word); // others do the same meanwhile
    for (const each of heard) await until(each, word);
    sockets[0].emit("not me", `${word}, not me`);
    for (const each of heard.slice(1)) await until(each, `${word}, not me`);
    for (const socket of sockets) await ask(socket, "enter", word);
    sockets[0].emit("tell room", word, `${word}, in the room`);
    for (const each of heard.slice(1)) await until(each, `${word}, in the room`);
    assert.equal(heard[0].all.flat().filter((text) => text.startsWith(`${word},`)).length, 0);
    all.slice(1).forEach((client) => client.close());
    return all[0];
  },
  async "heartbeats and held polls"(make) {
    const client = await connected(make);
    await new Promise((done) => setTimeout(done, 3000));
    assert.deepEqual(await ask(client.socket, "ack", "alive"), ["alive"]);
    return client;
  },
  async "the end, with its jobs"(make) {
    const [watcher, leaver, name] = [await connected(make), await connected(make), `leaver ${(count += 1)}`];
    await ask(leaver.socket, "name", name);
    const chat = await enter(leaver, "/chat");
    const ticks = listen(chat, "tick");
    chat.emit("job");
    await ticks.next();
    leaver.close();
    const expected = [`${name} has left /chat`, `${name} has left the global one`, `the job of ${name} has ended`];
    await within((async () => {
      let log = [];
      while (!expected.every((line) => log.includes(line))) {
        [log] = await ask(watcher.socket, "log");
        await new Promise((done) => setTimeout(done, 20));
      }
      for (const line of expected) assert.equal(log.filter((one) => one === line).length, 1, line);
    })(), "the end");
    return watcher;
  },
  async "bytes"(make, generation) {
    const client = await connected(make);
    if (generation !== "0.9.17") {
      const [back] = await ask(client.socket, "bytes", Buffer.from([1, 2, 3]));
      assert.deepEqual([...back], [3, 2, 1]);
    }
    return client;
  },
};

await play(scenarios);
