/* tornadio2.mjs PORT: clients 0.9.17, 2.5.0 and 4.8.4 of one application of TornadIO2; a line of JSON for each result. */
import assert from "node:assert/strict";
import { listen, request as ask, within } from "./clients.mjs";
import { KINDS, TEXTS, play } from "./kinds.mjs";

const port = Number(process.argv[2]);
let count = 0;

async function connected(make, query = {}, at = port) {
  const client = make(at, { name: `client ${(count += 1)}`, ...query });
  client.welcomes = listen(client.socket, "welcome");
  await listen(client.socket, "connect").next();
  if (client.transport === "upgrade") await client.upgraded();
  return client;
}

const scenarios = {
  async "on_open sees the query, and speaks first"(make) {
    const client = await connected(make, { name: "é 😀" });
    assert.deepEqual(await client.welcomes.next(), [{ name: "é 😀" }]);
    return client;
  },
  async "texts and values"(make) {
    const client = await connected(make);
    const echoes = listen(client.socket, "message");
    for (const text of TEXTS) {
      client.socket.send(text);
      assert.deepEqual(await echoes.next(), [text]);
    }
    for (const text of TEXTS) client.socket.send(text);
    for (const text of TEXTS) assert.deepEqual(await echoes.next(), [text]);
    for (const value of [{ a: [1, null, "😀"] }, [], 0]) {
      (client.socket.json ?? client.socket).send(value);
      assert.deepEqual(await echoes.next(), [value]);
    }
    return client;
  },
  async "events by name and by position (EX-7 to EX-10)"(make) {
    const client = await connected(make);
    const [thanks, hello] = [listen(client.socket, "thanks"), listen(client.socket, "hello")];
    client.socket.emit("hello", { name: "Joes" });
    client.socket.emit("hello", "Mike");
    assert.deepEqual(await thanks.next(), [{ name: "Joes" }]);
    assert.deepEqual(await hello.next(), ["Joes", "foobar"]);
    assert.deepEqual(await thanks.next(), [{ name: "Mike" }]);
    assert.deepEqual(await hello.next(), ["Mike", "foobar"]);
    return client;
  },
  async "acknowledgements of none, one and several (EX-16 to EX-18)"(make) {
    const client = await connected(make);
    assert.deepEqual(await ask(client.socket, "nothing"), []);
    assert.deepEqual(await ask(client.socket, "ack", "one", { a: 1 }), ["one", { a: 1 }]);
    assert.deepEqual(await ask(client.socket, "names"), ["Joes", "Mike", "Mary"]);
    assert.deepEqual(await ask(client.socket, "later", "x"), ["x"]);
    assert.deepEqual(await ask(client.socket, "later by yield", "y"), ["y"]);
    const answered = listen(client.socket, "answered");
    client.socket.on("q", (text, answer) => answer(`${text}+c`, [2]));
    client.socket.emit("question");
    assert.deepEqual(await answered.next(), ["q", ["a+b+c", [2]]]);
    return client;
  },
  async "two endpoints beside the main connection (EX-5, EX-6)"(make) {
    const client = await connected(make);
    const [chat, ping] = [client.of("/chat"), client.of("/ping")];
    const welcomes = [listen(chat, "welcome"), listen(ping, "welcome")];
    for (const [number, socket] of [chat, ping].entries()) {
      const echoes = listen(socket, "message");
      await welcomes[number].next();
      socket.send("Hey");
      assert.deepEqual(await echoes.next(), ["Hey"]);
      assert.deepEqual(await ask(socket, "ack", 1), [1]);
    }
    const gone = listen(chat, "disconnect");
    chat.emit("leave");
    await gone.next();
    assert.deepEqual(await ask(client.socket, "ack", "still here"), ["still here"]);
    assert.deepEqual(await ask(ping, "ack", "here, too"), ["here, too"]);
    return client;
  },
  async "a room with clients of all generations"(make) {
    const all = [await connected(make)];
    for (const [, , other] of KINDS) all.push(await connected(other));
    const heard = all.map((client) => listen(client.socket, "said"));
    const word = `word ${(count += 1)}`;
    all[0].socket.emit("shout", word);
    for (const each of heard) while ((await each.next())[1] !== word); // others shout meanwhile
    all.slice(1).forEach((client) => client.close());
    return all[0];
  },
  async "heartbeats and held polls"(make) {
    const client = await connected(make);
    await new Promise((done) => setTimeout(done, 4000));
    assert.deepEqual(await ask(client.socket, "ack", "alive"), ["alive"]);
    return client;
  },
  async "a handler that fails ends the connection with its endpoints"(make) {
    const client = await connected(make);
    const chat = client.of("/chat");
    const [welcome, ends, chatEnds] = [listen(chat, "welcome"), listen(client.socket, "disconnect"), listen(chat, "disconnect")];
    await welcome.next();
    client.socket.emit("fail");
    await ends.next();
    await chatEnds.next();
    return client;
  },
  async "closed by the server"(make) {
    const client = await connected(make);
    const gone = listen(client.socket, "disconnect");
    client.socket.emit("leave");
    await gone.next();
    return client;
  },
  async "on_close when the client goes"(make) {
    const [watcher, name] = [await connected(make), `leaver ${(count += 1)}`];
    (await connected(make, { name })).close();
    await within((async () => {
      while (!(await ask(watcher.socket, "left", name))[0]) await new Promise((done) => setTimeout(done, 20));
    })(), "on_close");
    return watcher;
  },
  async "a connection after the end of one (EX-22 to EX-24)"(make) {
    const client = await connected(make);
    const ids = () => client.socket.socket?.sessionid ?? client.engine.id;
    const [gone, again, first] = [listen(client.socket, "disconnect"), listen(client.socket, "connect"), ids()];
    client.close();
    await gone.next();
    if (client.socket.socket) client.socket.socket.reconnect(); // of 0.9, as the document advises
    else client.socket.connect();
    await again.next();
    assert.notEqual(ids(), first);
    assert.deepEqual(await ask(client.socket, "ack", "again"), ["again"]);
    return client;
  },
  async "a refusal (EX-3)"(make) {
    const client = make(port, { refuse: "1" });
    let connects = 0;
    client.socket.on("connect", () => (connects += 1));
    await Promise.race(["connect_failed", "connect_error", "error"].map((event) => listen(client.socket, event).next()));
    assert.equal(connects, 0);
    return client;
  },
};

await play(scenarios);
