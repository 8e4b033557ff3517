/* What each client must live to see beyond events, answers and rooms; scenarios as in scenarios.mjs. */
import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert";
import { Client, described, listen, plain, request, within } from "./clients.mjs";
import { Cable } from "./cable.mjs";

const FILLER = "x".repeat(20_000);
const HUNDRED = Array.from({ length: 100 }, (_, number) => [number]);
const MAX_CALLS = 1000; // the server's
const BURST = 2000;

const NAMESPACES = {
  "dynamic namespaces of a pattern": async ({ open, gather, names, number }) => {
    const client = await open();
    const [mine, next] = [number, number + 1].map((at) => `/room-${at % names.length}`);
    const [here, there] = [await enter(client, mine), await enter(client, next)];
    const heard = [listen(here, "said"), listen(there, "said")];
    await gather("entered");
    same(await request(here, "say", "🌊", Buffer.from("🌊")), [mine]);
    for (const [at, name] of [mine, next].entries()) same(await heard[at].next(), [name, "🌊", Buffer.from("🌊")]);
    await gather("said");
    const toAll = [listen(here, "said to all"), listen(there, "said to all")];
    await gather("listening");
    const all = names.map((_, at) => `/room-${at}`).sort();
    same(await request(here, "say to all", client.name), [all]);
    for (const _ of names) for (const { next } of toAll) await next();
    const everybody = names.map((name) => [name]).sort();
    for (const { all } of toAll) same(all.sort(), everybody);
    same(heard.map(({ all }) => all.length), [1, 1], "what was said in one namespace was heard in another");
  },

  "dynamic namespaces of a function": async ({ open, gather, number }) => {
    const client = await open();
    const name = `/party-${number}`;
    const party = await enter(client, name, { token: name });
    same(await request(party, "say", "🎉"), [name]);
    same(await refusalOf(client, "/party-of-others", { token: "guessed" }), client.row.refusal("Invalid namespace"));
    same(await refusalOf(client, "/room-x"), client.row.refusal("Invalid namespace"));
    party.disconnect();
    await gather("left");
    const remaining = async () => (await request(client.socket, "rooms and parties"))[0];
    await until(async () => (await remaining()).length === 0, "the end of the last dynamic namespace");
  },

  "dynamic namespaces after a cut": async ({ port, start, leave, number }) => {
    const cable = await Cable.to(port);
    leave(() => cable.close());
    const name = `/party-cut-${number}`;
    const delays = { reconnectionDelay: 10, reconnectionDelayMax: 50, randomizationFactor: 0 };
    const client = await start({ port: cable.port, reconnection: true, ...delays }).connected();
    const party = client.of(name, { token: name });
    const guest = client.of(`/guests-${number}`, { greeting: "hello" });
    const connects = [party, guest].map((socket) => listen(socket, "connect"));
    const settles = async (words) => {
      for (const { next } of connects) await next();
      same(await request(party, "say", words), [name]);
      same(await request(guest, "say", words), [["hello", words]], "a socket's object lived on without its client");
    };
    await settles("before");
    cable.cut();
    await client.disconnects.next();
    cable.mend();
    await settles("after");
  },

  "classes of sockets": async ({ open, left, number }) => {
    const client = await open();
    const guest = await enter(client, "/guests", { greeting: client.name });
    const other = await enter(client, `/guests-${number}`, { greeting: "hello" });
    same(await request(guest, "say", "🌊"), [[client.name, "🌊"]]);
    same(await request(other, "say", "again"), [["hello", "again"]]);
    same(await request(guest, "kind of socket"), [["Guest", "/guests"]]);
    same(await request(other, "kind of socket"), [["Guest", `/guests-${number}`]]);
    const report = (await request(guest, "say", 5))[0].error;
    same([report.event, report.argument, report.place], ["say", "word", "$"]);
    guest.disconnect();
    equal(await left(`${client.name} as a guest`), `client namespace disconnect after ['${client.name}', '🌊']`);
  },
};

const HANDLERS = {
  "steps before the connect handler": async ({ open }) => {
    const client = await open();
    same(await refusalOf(client, "/strict"), client.row.refusal("No badge", { missing: "badge" }));
    const other = await open();
    same(await refusalOf(other, "/strict", { badge: "forged" }), other.row.refusal("Not authorized"));
    same(await request(other.socket, "ack", "still here"), ["still here"]);
  },

  "steps before events": async ({ open }) => {
    const strict = await enter(await open(), "/strict", { badge: "gold" });
    const heard = listen(strict, "heard");
    const answers = [];
    strict.emit("dropped", "quietly", (...args) => answers.push(args));
    const said = await request(strict, "say", "HÉLLO", Buffer.from("BYTES"), 5);
    same(said, ["héllo", Buffer.from("BYTES"), 5], "a step cannot change arguments");
    const error = { message: "Say it politely 🌊", word: "OI", badge: "gold" };
    same(await request(strict, "rude", "OI"), [{ error }]);
    same(heard.all, [["héllo", Buffer.from("BYTES"), 5]]);
    same(answers, []);
  },

  "the handler of any event": async ({ open }) => {
    const watched = await enter(await open(), "/watched");
    const order = [];
    for (const event of ["seen", "handled"]) watched.on(event, (...args) => order.push([event, ...args.map(plain)]));
    same(await request(watched, "known", 1, Buffer.from("🌊")), ["by its own handler"]);
    same(await request(watched, "unknown 🌊", { a: [null] }), ["by the handler of any event"]);
    same(order, [
      ["seen", "known", 1, Buffer.from("🌊")],
      ["handled", 1, Buffer.from("🌊")],
      ["seen", "unknown 🌊", { a: [null] }],
    ]);
  },

  "typed events": async ({ open }) => {
    const typed = await enter(await open(), "/typed");
    const [reached, refused] = [listen(typed, "reached"), listen(typed, "refused")];
    const tea = { article: "tea", price: 2.5, count: 2 };
    const order = { customer: "Zoë 🌊", lines: [tea, { article: "milk", price: 1 }] };
    same(await request(typed, "order", order), ["Zoë 🌊", [5, 1], false, []]);
    same(await request(typed, "order", order, true, "a", "b"), ["Zoë 🌊", [5, 1], true, ["a", "b"]]);
    const photo = Buffer.from([0, 255]);
    same(await request(typed, "picture", photo, "2020-02-29"), ["bytes", photo, 2020]);
    same(reached.all, [["Order"], ["Order"], ["picture"]]);

    const wrong = [
      ["order", [{ ...order, lines: [tea, { ...tea, price: "free 🌊" }] }], "order", "$.lines[1].price"],
      ["order", [{ lines: [] }], "order", "$"],
      ["order", ["tea"], "order", "$"],
      ["order", [order, "yes"], "urgent", "$"],
      ["order", [order, undefined], "urgent", "$", /JavaScript's undefined becomes, too: leave the argument out/],
      ["order", [order, true, "a", 5], "notes", "$[1]"],
      ["order", [], "order", ""],
      ["picture", ["AP8=", "2020-02-29"], "data", "$"],
      ["picture", [photo, "2020-02-30"], "taken", "$"],
      ["picture", [photo, "2020-02-29", "more"], null, ""],
    ];
    for (const [event, args, argument, place, words = event] of wrong) {
      const [{ error }] = await request(typed, event, ...args);
      same([error.event, error.argument, error.place], [event, argument, place], error.message);
      ok(error.message.match(words), error.message);
      same(await refused.next(), [event, argument, place], "on_error heard something else");
    }
    same(reached.all.length, 3, "a wrong value reached a handler");
  },

  "ordered handlers": async ({ open }) => {
    const client = await open();
    const turns = await enter(client, "/turns");
    const answers = [];
    const five = [0, 1, 2, 3, 4];
    const all = five.map((number) => request(turns, "step", number).then(([begun]) => answers.push([number, begun])));
    await begun(turns, 1);
    same(await request(turns, "begun"), [[0]], "one began before the one ahead had ended");
    await request(turns, "go on");
    await Promise.all(all);
    same(answers, five.map((number) => [number, five.slice(0, number + 1)]));

    const strolling = await enter(await open(), "/turns");
    const strolls = five.map((number) => request(strolling, "stroll", number));
    await begun(strolling, 5);
    await request(strolling, "go on");
    same(await Promise.all(strolls), five.map(() => [five]));

    const queued = await enter(client, "/queued");
    const done = listen(queued, "done");
    for (const event of ["slow", "fast", "slow", "fast"]) queued.emit(event);
    for (const event of ["slow", "fast", "slow", "fast"]) same(await done.next(), [event]);
  },

  "threaded handlers": async ({ open }) => {
    const client = await open();
    const turns = await enter(client, "/turns");
    const from = listen(turns, "from a thread");
    const blocked = [0, 1, 2].map((number) => request(turns, "block", number));
    same(await request(client.socket, "ack", "meanwhile"), ["meanwhile"], "a thread kept the loop");
    same(from.all, []);
    await request(turns, "go on");
    same(await Promise.all(blocked), [0, 1, 2].map((number) => [number, true]));
    same(from.all.flat().sort(), [0, 1, 2]); // threads wake in any order
  },
};

const MANY = {
  "a question to a room": async ({ open, gather, names, number }) => {
    const client = await open();
    const many = await enter(client, "/many");
    await request(many, "enter", "asked", client.name);
    const silent = number === 0;
    if (!silent) many.on("who is there", ({ bytes }, answer) => answer(client.name, String(plain(bytes))));
    many.on("who stays", (answer) => (silent ? many.disconnect() : answer()));
    await gather("listening");

    const leader = number === names.length - 1;
    const others = names.slice(1);
    if (leader) {
      const question = { bytes: Buffer.from("🌊") };
      const [answers, missing] = await request(many, "ask", "who is there", "asked", 2, question);
      same(answers, Object.fromEntries(others.map((name) => [name, [name, "🌊"]])));
      same(missing, [names[0]]);
      // who leaves is not waited for: the timeout is beyond the patience of this test
      const stay = await request(many, "ask", "who stays", "asked", 60);
      same(stay, [Object.fromEntries(others.map((name) => [name, null])), [names[0]]]);
      same(await request(many, "ask", "who is there", "nobody", 60), [{}, []]);
    }
    await gather("answered");
  },

  "acting on a room": async ({ open, gather, names, number }) => {
    const client = await open();
    const many = await enter(client, "/many");
    const left = listen(many, "disconnect");
    const leader = number === 0;
    const others = names.filter((name) => name !== client.name);
    const step = async (name, act) => {
      await gather(`before ${name}`);
      if (leader) await act();
      await gather(name);
    };
    await request(many, "enter", "red", client.name);
    await gather("entered");

    const [found] = await request(many, "fetch", "red");
    same(Object.keys(found).sort(), [...names].sort());
    const carrier = client.transport === "polling" ? "polling" : "websocket";
    same(found[client.name].slice(1), [carrier, `Engine.IO ${client.row.engine}`, ["red"], "127.0.0.1"]);
    if (client.row.engine === 4) equal(found[client.name][0], many.id);
    same((await request(many, "others", "red"))[0].sort(), others.sort());

    await step("moved", () => request(many, "lead", "red", "blue"));
    same(await request(many, "rooms"), [leader ? ["blue", "elsewhere", "red"] : ["blue", "elsewhere"]]);
    same((await request(many, "others", "blue"))[0].sort(), others.sort());
    await step("closed", () => request(many, "close", "blue", "red"));
    same(await request(many, "rooms"), [["elsewhere"]]);
    same(await request(many, "others", "blue"), [[]]);

    await step("disconnected", () => request(many, "disconnect others", "elsewhere"));
    if (!leader) equal((await left.next())[0], "io server disconnect");
    same(await request(client.socket, "ack", "still here"), ["still here"]);
    same(client.disconnects.all, []);
    if (!leader) return;
    same(await request(many, "others", "elsewhere"), [[]]);
    many.emit("close me");
    for (const { next } of [left, client.disconnects]) equal((await next())[0], "io server disconnect");
  },

  "numbers of a known exchange": async ({ open, start, gather, names, number }) => {
    const asking = await open();
    const numbers = async () => (await request(asking.socket, "numbers"))[0];
    const client = await start({ path: "/counted" }).connected();
    await request(client.socket, "ack"); // the server has its upgrade now
    await gather("connected");
    const before = await numbers();
    await gather("counted");
    for (let i = 0; i < 5; i++) same(await request(client.socket, "ack", "🌊"), ["🌊"]);
    await gather("exchanged");
    const after = await numbers();
    await gather("counted again");

    const many = names.length;
    const grown = (name) => after[name] - before[name];
    same([grown("messages_in"), grown("messages_out"), grown("opened")], [5 * many, 5 * many, 0]);
    const bytes = Buffer.byteLength(client.parser === "json" ? '420["ack","🌊"]' : "ack🌊") * 5 * many;
    ok(grown("bytes_in") > bytes && grown("bytes_in") < 10 * bytes, `${grown("bytes_in")} bytes came in`);
    ok(grown("bytes_out") > (bytes * 2) / 3 && grown("bytes_out") < 10 * bytes, `${grown("bytes_out")} bytes went out`);
    const calls = ({ handlers }) => handlers["/"].ack?.calls ?? 0;
    equal(calls(after) - calls(before), 5 * many);
    const { seconds } = after.handlers["/"].ack;
    ok(seconds > 0 && seconds < 10, `${seconds} s in handlers`);
    same([after.sockets, after.rooms, after.outbox_bytes], [{ "/": many }, { "/": 2 }, 0]);
    const engines = { "Engine.IO 3": 0, "Engine.IO 4": 0 };
    for (const name of names) engines[/^[12]/.test(name) ? "Engine.IO 3" : "Engine.IO 4"] += 1;
    for (const [engine, count] of Object.entries(engines))
      same(after.sessions[engine], { polling: count / 3, websocket: (count * 2) / 3 });

    client.engine.close();
    let last;
    await until(async () => Object.keys((last = await numbers()).sessions).length === 0, "the end of all sessions");
    equal((last.closed["transport close"] ?? 0) - (before.closed["transport close"] ?? 0), many);
    same([last.sockets, last.rooms], [{ "/": 0 }, { "/": 0 }]);
  },
};

const LIMITS = {
  "volatile and latest, beside a client that does not read": async ({ port, open, start, leave, outsider }) => {
    const cable = await Cable.to(port);
    leave(() => cable.close());
    const room = `silent ${cable.port}`;
    const polite = start({ transport: "websocket", query: { room } });
    await polite.connects.next();
    const silent = await open({ port: cable.port, query: { room } });
    await request(silent.socket, "volatile and latest");
    const order = [];
    for (const event of ["volatile", "latest", "ordinary"])
      silent.socket.on(event, (value) => order.push([event, value]));
    const fillers = listen(silent.socket, "filler");
    const polites = ["volatile", "latest", "ordinary"].map((event) => listen(polite.socket, event));

    cable.hold();
    const [count, ...counted] = await request(outsider.socket, "write in vain", silent.socket.id, room);
    same(counted, [100, 99], "what was dropped and replaced is counted, for the silent client alone");
    await request(polite.socket, "nothing");
    const every25th = HUNDRED.filter(([value]) => value % 25 === 0);
    same(polites.map(({ all }) => all), [HUNDRED, HUNDRED, every25th], "the polite client misses something");
    same([order, fillers.all], [[], []]);

    cable.release();
    for (let i = 0; i < count; i++) same(await fillers.next(), [FILLER]);
    await request(silent.socket, "nothing");
    same(order.splice(0), [["latest", 99], ...every25th.map(([value]) => ["ordinary", value])]);
    const wasTold = () => order.some(([event]) => event === "volatile");
    for (let tries = 0; tries < 5 && !wasTold(); tries++) {
      order.length = 0; // a ping that waits for the next poll keeps a volatile event out
      await request(silent.socket, "volatile and latest");
    }
    same(order, [["volatile", "to a reader"], ["latest", "to a reader"]]);
  },

  "a client that does not read is cut": async ({ port, open, start, left, leave }) => {
    const cable = await Cable.to(port);
    leave(() => cable.close());
    const room = `drowned ${cable.port}`;
    const polite = start({ transport: "websocket", name: "polite", query: { room } });
    polite.socket.on("have you read", (answer) => answer());
    const waves = listen(polite.socket, "wave");
    await polite.connects.next();
    const silent = await open({ port: cable.port, query: { room } });
    cable.hold();
    const [count] = await request(polite.socket, "drown", silent.socket.id, room);
    equal(await left(silent.name), "slow consumer");
    equal(waves.all.length, count);
    same(polite.disconnects.all, []);
    cable.release();
    await silent.disconnects.next();
  },

  "the hundred and first namespace": async ({ open }) => {
    const client = await open();
    const names = Array.from({ length: 99 }, (_, at) => `/one-of-many-${at}`);
    const entered = await Promise.all(names.map((name) => enter(client, name)));
    const refusal = client.row.refusal("Too many namespaces: 100 are allowed on one connection");
    same(await refusalOf(client, "/one-of-many-99"), refusal);
    same(await refusalOf(client, "/chat"), refusal);
    entered[0].disconnect();
    await enter(client, "/one-of-many-100");
    same(await request(client.socket, "ack", "still here"), ["still here"]);
  },

  "too many events in a second": async ({ start }) => {
    const client = await start({ path: "/limited" }).connected();
    same(await request(client.socket, "ack", "first"), ["first"]);
    const answers = await Promise.all([1, 2, 3].map(() => request(client.socket, "ack", "more")));
    for (const [{ error }] of answers) ok(/may send 0\.02 in a second/.test(error.message), error.message);
    same(client.disconnects.all, []);
  },

  "more questions than a client may owe": async ({ start }) => {
    const client = await start({ path: "/narrow" }).connected();
    const answers = [];
    client.socket.on("question", (number, answer) => answers.push(() => answer(number)));
    const waiting = ["waits", "waits", "waits", "TooManyCalls", "TooManyCalls"];
    same(await request(client.socket, "ask", 5), [waiting]);
    for (const answer of answers) answer();
    same(await request(client.socket, "what came of it"), [["0", "1", "2"]]);
    same(await request(client.socket, "ask", 5), [waiting], "who has answered is asked again");
    same(answers.length, 6);
  },

  "more attachments than an event may have": async ({ start, left }) => {
    const client = await start({ path: "/narrow" }).connected();
    const some = ["a", "b", "c"].map((text) => Buffer.from(text));
    same(await request(client.socket, "ack", ...some.slice(0, 2)), some.slice(0, 2));
    if (client.parser === "msgpack") return same(await request(client.socket, "ack", ...some), some); // it has none
    client.socket.emit("ack", ...some);
    equal(await left(client.name), "parse error");
    await client.disconnects.next();
  },

  "a message larger than all that may wait": async ({ start }) => {
    const client = await start({ path: "/narrow" }).connected();
    const written = listen(client.socket, "written");
    client.socket.emit("write", 100_000);
    equal((await written.next())[0].length, 100_000);
    same(await request(client.socket, "ack", "still here"), ["still here"]);
  },

  "who enters no namespace": async ({ start }) => {
    const client = start({ path: "/narrow", autoConnect: false });
    if (client.row.engine === 3) client.socket.open(); // it is in "/" without asking
    const closed = new Promise((resolve) => client.manager.on("close", resolve));
    client.manager.open();
    if (client.row.engine === 3) return same(await request(client.socket, "ack", "here"), ["here"]);
    ok(["transport close", "forced close"].includes(await within(closed, "the end of the connection")));
    same(client.connects.all, []);
  },

  "the address behind a proxy": async ({ start }) => {
    const extraHeaders = {
      "x-forwarded-for": "198.51.100.7, 203.0.113.9",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "chat.example",
    };
    const client = await start({ path: "/narrow", extraHeaders }).connected();
    same(await request(client.socket, "who am I"), ["203.0.113.9", true, "chat.example"]);
    const plain = await start({ path: "/narrow" }).connected();
    same((await request(plain.socket, "who am I")).slice(0, 2), ["127.0.0.1", null]);
  },

  "a burst behind a handler that waits": async ({ start, open }) => {
    const client = await open();
    const polite = await start({ name: "polite" }).connected();
    const answers = [];
    const last = new Promise((resolve) => {
      for (let i = 0; i < BURST; i++)
        client.socket.emit("hold", i, (number) => answers.push(number) === BURST && resolve());
    });
    const held = async () => (await request(polite.socket, "held", client.socket.id))[0];
    await until(async () => (await held()) >= MAX_CALLS, `event number ${MAX_CALLS}`);
    same(await request(polite.socket, "ack", "meanwhile"), ["meanwhile"]);
    equal(await held(), MAX_CALLS, "the server read on");
    same(answers, []);
    await request(polite.socket, "let go", client.socket.id);
    await within(last, "the last answer");
    same(answers, Array.from({ length: BURST }, (_, i) => i));
    equal(await held(), BURST);
  },

  "binary as text for who asks for it": async ({ start }) => {
    const client = await start({ forceBase64: true }).connected();
    const frames = client.transport === "websocket" && client.row.engine === 3 ? record(client.engine) : () => [];
    const heard = listen(client.socket, "echo");
    const bytes = Buffer.from([0, 30, 255]);
    client.socket.emit("echo", bytes, { nested: [bytes] });
    same(await heard.next(), [bytes, { nested: [bytes] }]);
    same(await request(client.socket, "ack", bytes), [bytes]);
    same(new Set(frames().map(({ opcode }) => opcode)), new Set(frames().length ? [1] : []), "binary came as binary");
    if (client.transport === "websocket" && client.row.engine === 3) ok(frames().length >= 2);
  },

  "compress=False": async ({ start }) => {
    const client = await start({ path: "/compressing" }).connected();
    const texts = listen(client.socket, "text");
    const frames = client.transport === "polling" ? null : record(client.engine);
    for (const compress of [true, false]) {
      client.socket.emit("text", compress);
      same([await texts.next(), await texts.next()], [[FILLER], [Buffer.from(FILLER)]]);
    }
    if (frames === null) return;
    const flags = frames().map(({ rsv1, size }) => [rsv1, size >= FILLER.length]);
    const compressed = flags.filter(([rsv1]) => rsv1);
    const large = flags.filter(([, isLarge]) => isLarge);
    same(compressed, [[true, false], [true, false]], "text and bytes are to be compressed");
    same(large, [[false, true], [false, true]], "text and bytes are not to be compressed");
  },
};

export const FEATURES = { ...NAMESPACES, ...HANDLERS, ...MANY, ...LIMITS };

/** Await the way into a namespace. */
async function enter(client, namespace, values) {
  const socket = client.of(namespace, values);
  if (!socket.connected) await listen(socket, "connect").next();
  return socket;
}

/** Await that so many handlers run, each of which waits. */
function begun(turns, count) {
  return until(async () => (await request(turns, "begun"))[0].length >= count, `handler number ${count}`);
}

/** Ask again and again until something holds. */
function until(holds, what) {
  const asked = async () => {
    while (!(await holds()));
  };
  return within(asked(), what);
}

async function refusalOf(client, namespace, values) {
  return described((await listen(client.of(namespace, values), client.row.refused).next())[0]);
}

/** Look at the frames that a WebSocket gets from now on, all below 64 KB (RFC 6455, section 5.2). */
function record({ transport }) {
  const chunks = [];
  transport.ws._socket.on("data", (chunk) => chunks.push(chunk));
  return () => {
    const data = Buffer.concat(chunks);
    const frames = [];
    for (let at = 0; at < data.length; ) {
      const [first, short] = [data[at], data[at + 1]];
      const size = short === 126 ? data.readUInt16BE(at + 2) : short;
      frames.push({ rsv1: (first & 0x40) !== 0, opcode: first & 0x0f, size });
      at += (short === 126 ? 4 : 2) + size;
    }
    return frames;
  };
}
