/* gevent_examples.mjs PORTS OTHER "all"|"": uses examples/gevent_socketio; a line of JSON for each result.

PORTS are the ports of the examples by name, one or two for each, OTHER that of the sockets of cross_origin. Each example
is used by two clients at once: 0.9.17 and 4.8.4, and with "all" those of each generation and transport. */
import assert from "node:assert/strict";
import { listen, request as ask } from "./clients.mjs";
import { KINDS } from "./kinds.mjs";

const [ports, other, all] = process.argv.slice(2);
const PORTS = JSON.parse(ports);
let count = 0;

/** Connect to an example with both clients, each to its process if there are several ports. */
function connect(ports, ...kinds) {
  return Promise.all(
    kinds.map(async ([, transport, make], index) => {
      const client = make([ports].flat().at(index) ?? ports, {});
      await listen(client.socket, "connect").next();
      if (transport === "upgrade") await client.upgraded();
      return client;
    }),
  );
}

/** Connect to a namespace. */
async function enter(client, name) {
  const socket = client.of(name);
  if (!socket.connected && !socket.socket) await listen(socket, "connect").next();
  return socket;
}

/** Wait for an event with these arguments, whatever comes before. */
async function until(events, ...expected) {
  for (;;) {
    const got = await events.next();
    try {
      return assert.deepEqual(got, expected);
    } catch {} // another one
  }
}

/** Use a chat with rooms, of which there is one of the given name. */
async function rooms(first, second, room) {
  const [ada, bob] = [`Ada ${(count += 1)}`, `Bob ${count}`];
  const [a, b] = [await enter(first, "/chat"), await enter(second, "/chat")];
  const [told, names, heard, own] = [listen(a, "announcement"), listen(a, "nicknames"), listen(a, "msg_to_room"), listen(b, "msg_to_room")];
  assert.deepEqual(await ask(a, "join", "no such room"), [false]);
  assert.deepEqual(await ask(a, "nickname", ada), [false]);
  for (const socket of [a, b]) assert.deepEqual(await ask(socket, "join", room), [true]);
  assert.deepEqual(await ask(a, "nickname", ada), [true]);
  assert.deepEqual(await ask(b, "nickname", ada), [false]);
  assert.deepEqual(await ask(b, "nickname", bob), [true]);
  await until(told, `${bob} has come`);
  await until(names, [ada, bob]);
  b.emit("user message", "hello 😀");
  await until(heard, bob, "hello 😀");
  second.close();
  await until(told, `${bob} has left`);
  await until(names, [ada]);
  assert.deepEqual(own.all, []);
}

const scenarios = {
  async simple_chat(port, ...kinds) {
    const [first, second] = await connect(port, ...kinds);
    const [a, b] = [first.socket, second.socket];
    const [ada, bob] = [`Ada ${(count += 1)}`, `Bob ${count}`];
    const [told, names, heard, own, errors] = [listen(a, "announcement"), listen(a, "nicknames"), listen(a, "msg_to_room"), listen(b, "msg_to_room"), listen(b, "error")];
    assert.deepEqual(await ask(a, "nickname", ada), [true]);
    b.emit("user message", "not yet");
    assert.equal((await errors.next())[0], "method_access_denied");
    assert.deepEqual(await ask(b, "nickname", ada), [false]);
    assert.deepEqual(await ask(b, "nickname", bob), [true]);
    await until(told, `${bob} has come`);
    b.emit("user message", "hello 😀");
    await until(heard, bob, "hello 😀");
    second.close();
    await until(told, `${bob} has left`);
    assert.ok((await names.next())[0].includes(ada));
    assert.deepEqual(own.all, []);
    first.close();
  },

  async flask_chat(port, ...kinds) {
    const name = `a/room ${(count += 1)}`;
    const made = await fetch(`http://127.0.0.1:${port}/create`, { method: "POST", body: new URLSearchParams({ name }) });
    assert.equal(new URL(made.url).pathname, `/room/${encodeURI(name)}`);
    assert.equal((await fetch(`http://127.0.0.1:${port}/room/nowhere`)).status, 404);
    const [first, second] = await connect(port, ...kinds);
    await rooms(first, second, name);
    first.close();
  },

  async django_chat(port, ...kinds) {
    const [home, name] = [`http://127.0.0.1:${port}/`, `a/room ${(count += 1)}`];
    const page = await fetch(home);
    const csrfmiddlewaretoken = (await page.text()).match(/value="(\w{64})"/)[1];
    const headers = { Cookie: page.headers.get("set-cookie").split(";")[0] };
    const body = new URLSearchParams({ name, csrfmiddlewaretoken });
    const made = await fetch(`${home}create`, { method: "POST", headers, body });
    assert.equal(new URL(made.url).pathname, `/room/${encodeURI(name)}`);
    assert.equal((await fetch(`${home}room/nowhere`)).status, 404);
    const [first, second] = await connect(port, ...kinds);
    await rooms(first, second, name);
    first.close();
  },

  async cross_origin(port, ...kinds) {
    const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    assert.ok(page.includes(`:${other}'`));
    const handshake = (Origin) => fetch(`http://127.0.0.1:${other}/socket.io/?EIO=4&transport=polling`, { headers: { Origin } });
    const allowed = await handshake(`http://localhost:${port}`);
    assert.equal(allowed.headers.get("access-control-allow-origin"), `http://localhost:${port}`);
    assert.equal((await handshake("http://localhost")).status, 403);
    for (const client of await connect(Number(other), ...kinds)) {
      const greetings = listen(client.socket, "greetings");
      client.socket.emit("hello", "Ada");
      await until(greetings, { from: `127.0.0.1:${other}`, to: "Ada" });
      client.close();
    }
  },

  async live_cpu_graph(port, ...kinds) {
    for (const client of await connect(port, ...kinds)) {
      const points = listen(client.of("/cpu"), "cpu_data");
      for (const [{ percent }] of [await points.next(), await points.next()]) assert.ok(percent >= 0 && percent <= 100, `${percent}`);
      client.close();
    }
  },

  async twitterstream(port, ...kinds) {
    const clients = await connect(port, ...kinds);
    const [some, same] = clients.map((client) => listen(client.of("/tweets"), "tweet"));
    const [tweet] = await some.next();
    assert.match(tweet.text, /^Tweet number \d+$/);
    const [next] = await some.next();
    await until(same, next);
    clients.forEach((client) => client.close());
  },

  async simple_pyramid_chat(port, ...kinds) {
    const [first, second] = await connect(port, ...kinds);
    const a = first.of("/chat");
    const [come, chats, left] = [listen(a, "user_connect"), listen(a, "chat"), listen(a, "user_disconnect")];
    await come.next(); // itself
    const b = second.of("/chat");
    const [guest] = await listen(b, "user_connect").next();
    await until(come, guest);
    const own = listen(b, "chat");
    b.emit("chat", "hello 😀");
    for (const each of [chats, own]) await until(each, `${guest}: hello 😀`);
    second.close();
    await until(left, guest);
    first.close();
  },

  async testapp(port, ...kinds) {
    const [first, second] = await connect(port, ...kinds);
    const main = first.socket;
    const [bobs, json, broadcast, greeting, load] = ["bob", "got_some_json", "broadcasted", "you_just_connected", "load"].map((event) => listen(main, event));
    main.emit("chat");
    assert.deepEqual(await bobs.next(), [{ hello: "world" }]);
    assert.ok((await greeting.next())[0].sessid);
    assert.ok((await load.next())[0] >= 0);
    (main.json ?? main).send({ a: [1, 2] });
    assert.deepEqual(await json.next(), [{ a: [1, 2] }]);
    const chat = await enter(first, "/chat");
    const [messages, packs, answered, goodbyes, gone, bob] = ["message", "pack", "answered", "goodbye", "disconnect", "bob"].map((event) => listen(chat, event));
    assert.deepEqual((await ask(chat, "my_callback", "x"))[1], ["x"]);
    main.emit("bob", 1, "two");
    await until(broadcast, [1, "two"]);
    assert.deepEqual(await bob.next(), []);
    chat.emit("mymessage", "hello");
    assert.deepEqual(await messages.next(), ["a message back: hello"]);
    assert.deepEqual(await messages.next(), [{ a: "value" }]);
    assert.deepEqual(await packs.next(), [{ the: "more", you: "can" }]);
    chat.on("callmeback", (text, answer) => answer(text, 2));
    chat.emit("trigger_server_callback", "hello");
    assert.deepEqual(await answered.next(), ["hello", 2]);
    const theirs = await enter(second, "/chat");
    await ask(theirs, "my_callback");
    const invitation = listen(theirs, "rtc_invite");
    const offer = `offer ${(count += 1)}`;
    chat.emit("rtc_invite", { sdp: offer });
    while ((await invitation.next())[0].sdp !== offer);
    chat.emit("disconnect_me", "as asked");
    assert.deepEqual(await goodbyes.next(), ["as asked"]);
    await gone.next();
    main.emit("chat");
    await until(bobs, { hello: "world" });
    [first, second].forEach((client) => client.close());
  },

  async redis_chat(port, ...kinds) {
    const [first, second] = await connect(port, ...kinds);
    const [a, b] = [await enter(first, "/chat"), await enter(second, "/chat")];
    const [heard, own, text] = [listen(a, "chat"), listen(b, "chat"), `hello 😀 ${(count += 1)}`];
    a.emit("chat", `${text}, alone`);
    await until(heard, `${text}, alone`);
    b.emit("chat", text);
    for (const each of [heard, own]) await until(each, text);
    [first, second].forEach((client) => client.close());
  },

  async redis_chat_persistence(port, ...kinds) {
    const [first, second] = await connect(port, ...kinds);
    const [a, text] = [await enter(first, "/chat"), `hello 😀 ${(count += 1)}`];
    const heard = listen(a, "chat");
    a.emit("chat", text);
    while ((await heard.next())[0] !== text);
    const seen = listen(second.of("/chat"), "chat"); // which comes later
    while ((await seen.next())[0] !== text);
    a.emit("chat", `${text} and more`);
    while ((await seen.next())[0] !== `${text} and more`);
    assert.deepEqual(seen.all.map(([, id]) => id), [...new Set(seen.all.map(([, id]) => id))].sort());
    [first, second].forEach((client) => client.close());
  },
};

const kind = (generation, transport) => KINDS.find(([one, another]) => one === generation && another === transport);
const OLD = kind("0.9.17", "websocket");
const MODERN = kind("4.8.4", "upgrade");
const pairs = all ? KINDS.map((one) => [one, one[0] === "0.9.17" ? MODERN : OLD]) : [[OLD, MODERN]];

await Promise.all(
  Object.entries(PORTS).map(async ([name, port]) => {
    let error = null;
    for (const pair of pairs) {
      try {
        await scenarios[name](port, ...pair);
      } catch (caught) {
        error = `${pair.map(([generation, transport]) => `${generation} ${transport}`).join(" and ")}: ${caught.stack}`;
        break;
      }
    }
    console.log(JSON.stringify({ name, error }));
  }),
);
process.exit();
