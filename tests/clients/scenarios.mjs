/* What each client must live to see. Every scenario gets the means to connect, and all clients run it at once. */
import { deepStrictEqual as same, match, notStrictEqual as differs, strictEqual as equal } from "node:assert";
import { described, listen, request, within } from "./clients.mjs";
import { Cable } from "./cable.mjs";
import { FEATURES } from "./features.mjs";

const LIMIT = 1_000_000; // the server's max_payload_bytes
const LARGE = 900_000;
const REFUSAL = ["No entry 🚧", { code: 42, why: ["full", "🌊"] }];

const TEXTS = [
  ["héllo 🌊", "日本語", "👩‍👩‍👧‍👦", "ÿ", "", "\u2028\u001e\u0000\"\\", "9".repeat(300)],
  [{ "ключ 🔑": ["🌊", { deep: [[[["é"]]]] }] }, null, true, -0.5, Number.MAX_SAFE_INTEGER, []],
];

const binary = () => [
  { chart: { name: "ÿ 🌊", parts: [Buffer.from([0, 255, 4, 30]), { last: Buffer.from("\u001e🌊") }] }, note: null },
  Buffer.alloc(0),
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  "after",
];

async function receivesWhatItSent(client, args) {
  const echoes = listen(client.socket, "echo");
  client.socket.emit("echo", ...args);
  same(await echoes.next(), args);
}

const ANY = {
  "text with emoji": async ({ open }) => {
    const client = await open();
    for (const args of TEXTS) await receivesWhatItSent(client, args);
    for (const text of TEXTS[0]) {
      const points = Array.from(text, (character) => character.codePointAt(0));
      same(await request(client.socket, "code points", text), [points], "the server read another text");
      same(await request(client.socket, "text", points), [text], "the client read another text");
    }
  },

  "text cut inside an emoji": async ({ open }) => {
    const client = await open();
    const mended = client.parser === "msgpack" ? "half a \u{1f000}" : "half a \ufffd"; // that parser adds a zero half
    same(await request(client.socket, "ack", "half a \ud83c"), [mended]);
  },

  "binary, nested, several attachments": async ({ open }) => {
    const client = await open();
    await receivesWhatItSent(client, binary());
    await receivesWhatItSent(client, [Buffer.from("one")]);
  },

  "events in order from the first moment": async ({ start }) => {
    const client = start();
    const echoes = listen(client.socket, "echo");
    const args = (i) => (i % 3 ? [i, "🌊"] : [i, Buffer.from([i])]);
    for (let i = 0; i < 60; i++) client.socket.emit("echo", ...args(i));
    await client.connected();
    for (let i = 60; i < 90; i++) client.socket.emit("echo", ...args(i));
    for (let i = 0; i < 90; i++) same(await echoes.next(), args(i));
  },

  "acknowledgements from the server": async ({ open }) => {
    const { socket } = await open();
    same(await request(socket, "ack", "🌊", { a: [1, null] }, 3), ["🌊", { a: [1, null] }, 3]);
    same(await request(socket, "ack", ...binary()), binary());
    same(await request(socket, "nothing"), []);
  },

  "acknowledgements from the client": async ({ open }) => {
    const { socket } = await open();
    socket.on("question", (...args) => args.pop()(...args));
    same(await request(socket, "ask", "🌊"), ["🌊"]);
    same(await request(socket, "ask", "🌊", { a: [1, null] }, 3), ["🌊", { a: [1, null] }, 3]);
    same(await request(socket, "ask", ...binary()), binary());
    same(await request(socket, "ask in vain"), ["AckTimeout"]);
  },

  "rooms of twelve": async ({ open, gather, names, outsider }) => {
    const client = await open();
    const [shouts, broadcasts] = [listen(client.socket, "shout"), listen(client.socket, "broadcast")];
    await request(client.socket, "join", "twelve");
    await gather("joined");

    client.socket.emit("shout", "twelve", `${client.name} 🎉`, { bytes: Buffer.from(client.name) });
    const heard = [];
    for (const _ of names) heard.push(await shouts.next());
    same(heard.sort(), names.map((name) => [`${name} 🎉`, { bytes: Buffer.from(name) }]).sort());

    client.socket.emit("broadcast", "twelve", client.name);
    const others = names.filter((name) => name !== client.name);
    const said = [];
    for (const _ of others) said.push(await broadcasts.next());
    same(said.sort(), others.map((name) => [name]).sort());

    await gather("heard");
    await request(client.socket, "leave", "twelve");
    await gather("left");
    client.socket.emit("shout", "twelve", "nobody is here");
    await request(client.socket, "nothing");
    await gather("shouted");
    await request(client.socket, "nothing");
    await request(outsider.socket, "nothing");
    equal(shouts.all.length, names.length, "a message reached one who had left");
    equal(broadcasts.all.length, others.length, "a broadcast reached its own sender");
    same([outsider.shouts.all, outsider.broadcasts.all], [[], []]);
  },

  namespaces: async ({ open }) => {
    const client = await open();
    const leaked = listen(client.socket, "said");
    const chat = client.of("/chat", { token: "🌊 token" });
    const [welcomes, said] = [listen(chat, "welcome"), listen(chat, "said")];
    const welcome = (await welcomes.next())[0];
    equal(welcome.token, "🌊 token");
    chat.emit("say", { from: client.name, bytes: Buffer.from("🌊") });
    let heard;
    do [heard] = await said.next();
    while (heard.from !== client.name);
    same(heard.bytes, Buffer.from("🌊"));

    const left = listen(chat, "disconnect");
    chat.emit("kick");
    equal((await left.next())[0], "io server disconnect");
    same(await request(client.socket, "ack", "still here"), ["still here"]);
    same(leaked.all, []);
  },

  "refusal with data": async ({ open }) => {
    const client = await open();
    const refusal = async (namespace) => described((await listen(client.of(namespace), client.row.refused).next())[0]);
    same(await refusal("/guarded"), client.row.refusal(...REFUSAL));
    same(await refusal("/closed"), client.row.refusal("Not authorized"));
    // Here Socket.IO 4.x sends an old client {"message": ...}; the servers of its time sent the text.
    same(await refusal("/nowhere"), client.row.refusal("Invalid namespace"));
    same(await request(client.socket, "ack", "still here"), ["still here"]);
  },

  "refusal of the main namespace": async ({ start }) => {
    const client = start({ query: { refuse: "yes" } });
    same(described((await client.refusals.next())[0]), client.row.refusal(...REFUSAL));
    same(client.connects.all, []);
  },

  "reconnection after a cut": async ({ port, start, leave }) => {
    const cable = await Cable.to(port);
    leave(() => cable.close());
    const [asked, given] = [`asked for 🌊 ${cable.port}`, `given 🌊 ${cable.port}`];
    const delays = { reconnectionDelay: 10, reconnectionDelayMax: 50, randomizationFactor: 0 };
    const client = start({ port: cable.port, query: { room: given }, reconnection: true, ...delays });
    const shouts = listen(client.socket, "shout");
    const welcomes = listen(client.of("/chat"), "welcome");
    const joins = [];
    client.socket.on("connect", () => joins.push(request(client.socket, "join", asked)));
    const settles = async () => {
      await client.connected();
      await joins.at(-1);
      await welcomes.next();
      client.socket.emit("shout", asked, "by the client's handler");
      client.socket.emit("shout", given, "by the server's handler");
      same([await shouts.next(), await shouts.next()], [["by the client's handler"], ["by the server's handler"]]);
    };
    await settles();
    const { id } = client.socket;

    cable.cut();
    match((await client.disconnects.next())[0], /^transport (close|error)$/);
    cable.mend();
    await settles();
    differs(client.socket.id, id);
  },

  "900 kB of text": async ({ open }) => {
    const client = await open();
    const bytes = client.parser === "msgpack" ? onTheWire(client, LARGE) : LARGE;
    await receivesWhatItSent(client, [`🌊${"x".repeat(bytes - 8)}🌊`]);
  },

  "900 kB of binary": async ({ open }) => {
    const client = await open();
    const data = Buffer.alloc(onTheWire(client, LARGE), "0123456789abcdef\u00ff");
    await receivesWhatItSent(client, [data]);
  },

  heartbeats: async ({ open }) => {
    const client = await open();
    const beats = listen(client.engine, "pong");
    await beats.next();
    await beats.next();
    same(await request(client.socket, "ack", "still here"), ["still here"]);
    same(client.disconnects.all, []);
  },

  "disconnected by the server": async ({ open, left }) => {
    const client = await open();
    client.socket.emit("kick");
    equal((await client.disconnects.next())[0], "io server disconnect");
    equal(await left(client.name), "server namespace disconnect");
  },

  "connection closed by the server": async ({ open, left }) => {
    const client = await open();
    client.socket.emit("hang up");
    equal((await client.disconnects.next())[0], "io server disconnect");
    equal(await left(client.name), "server namespace disconnect");
  },

  "disconnected by the client": async ({ open, left }) => {
    const client = await open();
    client.socket.disconnect();
    equal((await client.disconnects.next())[0], "io client disconnect");
    equal(await left(client.name), "client namespace disconnect");
  },

  "connection closed by the client": async ({ open, left }) => {
    const client = await open();
    client.engine.close();
    equal((await client.disconnects.next())[0], "forced close");
    equal(await left(client.name), "transport close");
  },
};

const JSON_ONLY = {
  "a message of exactly the limit": async ({ open }) => {
    const client = await open();
    const text = "x".repeat(textFor(client, LIMIT));
    same(await request(client.socket, "size", text), [text.length]);
    same(await request(client.socket, "ack", "still here"), ["still here"]);
  },

  "one byte over the limit": async ({ open }) => {
    const client = await open();
    const refused = whatTheTransportSays(client);
    client.socket.emit("size", "x".repeat(textFor(client, LIMIT + 1)), () => {});
    const [expected, reason] = client.transport === "polling" ? [413, "transport error"] : [1009, "transport close"];
    equal(await within(refused, "the refusal"), expected);
    equal((await client.disconnects.next())[0], reason);
  },
};

const MSGPACK_ONLY = {
  "values that JSON does not have": async ({ open }) => {
    const { socket } = await open();
    const date = new Date(1577836800123);
    same(await request(socket, "ack", date, { at: [date, new Date(-1)] }), [date, { at: [date, new Date(-1)] }]);
    same(await request(socket, "ack", NaN, Infinity, -Infinity), [NaN, Infinity, -Infinity]);
    same(await request(socket, "ack", undefined, [undefined], { a: undefined }), [null, [null], { a: null }]);
    for (const array of [Uint8Array.of(0), Float64Array.of(1.5), new Uint8Array(300).fill(7)])
      same(await request(socket, "ack", array.buffer, [array]), [Buffer.from(array.buffer), [Buffer.from(array.buffer)]]);
    same(await request(socket, "python values"), [date, "2020-01-01T00:00:00", 2 ** 70, "1.10", { 1: Buffer.from("x") }]);
  },

  "integers of every size": async ({ open }) => {
    const { socket } = await open();
    const powers = Array.from({ length: 53 }, (_, i) => 2 ** i);
    const integers = powers.flatMap((power) => [power, power - 1, -power]).map((number) => number + 0);
    same(await request(socket, "ack", ...integers), integers);
  },
};

/** The scenarios of each parser; where the limit is to the byte, is tried with the one whose bytes can be counted. */
export const SCENARIOS = {
  json: { ...ANY, ...FEATURES, ...JSON_ONLY },
  msgpack: { ...ANY, ...FEATURES, ...MSGPACK_ONLY },
};

/** The bytes of data that make `bytes` on the wire: polling carries base64. */
function onTheWire(client, bytes) {
  return client.transport === "polling" ? (bytes / 4) * 3 : bytes;
}

/** The length of the text with which a client's first acknowledged "size" event takes `bytes` on the wire. */
function textFor(client, bytes) {
  const counted = client.transport === "polling" && client.row.engine === 3; // "length:" stands before each packet
  return bytes - (counted ? "999993:" : "").length - '420["size",""]'.length;
}

/** The HTTP status or the close code with which the connection's end is reported. */
function whatTheTransportSays({ engine }) {
  if (engine.transport.name === "websocket") return new Promise((resolve) => engine.transport.ws.on("close", resolve));
  return new Promise((resolve) => engine.on("error", (error) => resolve(error.description?.status ?? error.description)));
}
