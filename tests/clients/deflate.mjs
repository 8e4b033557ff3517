/* deflate.mjs PORT: what ws, which is under the official clients in Node, agrees on with the server, and what it gets.
   A line of JSON for each case: its name, and an error or null. */
import { strictEqual as equal, deepStrictEqual as same, ok } from "node:assert";
import { once } from "node:events";
import WebSocket from "ws";

const [port] = process.argv.slice(2);
const NO_TAKEOVER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const LARGE = JSON.stringify(Array.from({ length: 18_000 }, (_, id) => ({ id, name: "Ada 🌊", price: (id * 7) % 100 })));

/** A WebSocket in "/", with `ask` for one packet and the messages of its answer. */
async function open(perMessageDeflate, query = "") {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket${query}`, { perMessageDeflate });
  socket.on("upgrade", (response) => (socket.agreed = response.headers["sec-websocket-extensions"] ?? ""));
  const waiting = [];
  const arrived = [];
  socket.on("message", (data, binary) => {
    if (!binary && String(data) === "2") return socket.send("3");
    const message = binary ? data : String(data);
    if (waiting.length) waiting.shift()(message);
    else arrived.push(message);
  });
  socket.next = () => (arrived.length ? arrived.shift() : new Promise((resolve) => waiting.push(resolve)));
  await once(socket, "open");
  if (!query) {
    ok((await socket.next()).startsWith("0{"));
    socket.send("40");
    ok((await socket.next()).startsWith("40{"));
  }
  return socket;
}

async function echoes(socket, text) {
  const before = socket._socket.bytesRead;
  const written = socket._socket.bytesWritten;
  socket.send(`420["ack",${text}]`);
  equal(await socket.next(), `430[${text}]`);
  return { read: socket._socket.bytesRead - before, written: socket._socket.bytesWritten - written };
}

const CASES = {
  "compressed both ways": async () => {
    const socket = await open(true);
    equal(socket.agreed, NO_TAKEOVER);
    const bytes = await echoes(socket, LARGE);
    ok(Buffer.byteLength(LARGE) > 700_000);
    ok(bytes.read < 200_000 && bytes.written < 200_000, JSON.stringify(bytes));
    socket.close();
  },
  "900 kB, again and again": async () => {
    const socket = await open(true);
    for (let i = 0; i < 5; i++) await echoes(socket, JSON.stringify(String(i).repeat(900_000)));
    socket.close();
  },
  "bytes both ways": async () => {
    const socket = await open({ threshold: 0 });
    for (const data of [Buffer.alloc(900_000, "abc"), Buffer.from([0, 255]), Buffer.alloc(0)]) {
      socket.send('451-0["ack",{"_placeholder":true,"num":0}]');
      socket.send(data);
      equal(await socket.next(), '461-0[{"_placeholder":true,"num":0}]');
      same(await socket.next(), data);
    }
    socket.close();
  },
  "small texts, which ws compresses and the server does not": async () => {
    const socket = await open({ threshold: 0 });
    for (const text of ['""', '"é🌊"', "1"]) await echoes(socket, text);
    socket.close();
  },
  "a smaller window of the server's": async () => {
    const socket = await open({ serverMaxWindowBits: 9 });
    equal(socket.agreed, `${NO_TAKEOVER}; server_max_window_bits=9`);
    await echoes(socket, LARGE);
    socket.close();
  },
  "a smaller window of the client's": async () => {
    const socket = await open({ clientMaxWindowBits: 9, threshold: 0 });
    equal(socket.agreed, NO_TAKEOVER);
    await echoes(socket, LARGE);
    socket.close();
  },
  "no context taken over, which is offered already": async () => {
    const socket = await open({ serverNoContextTakeover: true, clientNoContextTakeover: true });
    equal(socket.agreed, NO_TAKEOVER);
    await echoes(socket, LARGE);
    socket.close();
  },
  "a client that offers nothing": async () => {
    const socket = await open(false);
    equal(socket.agreed, "");
    const { read } = await echoes(socket, LARGE);
    ok(read > 700_000);
    socket.close();
  },
  "fragments, the first of which is compressed": async () => {
    const socket = await open(true);
    socket.send('420["ack",', { fin: false, compress: true });
    socket.send('"end"]', { fin: true, compress: true });
    equal(await socket.next(), '430["end"]');
    socket.close();
  },
  "more than the limit, in few bytes": async () => {
    const socket = await open(true);
    socket.send(`42["ack","${"x".repeat(50_000_000)}"]`);
    const [code] = await once(socket, "close");
    equal(code, 1009);
  },
  "from polling to a compressed WebSocket": async () => {
    const url = `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`;
    const answer = await fetch(url);
    equal(answer.headers.get("content-encoding"), null);
    const { sid } = JSON.parse((await answer.text()).slice(1));
    equal(await (await fetch(`${url}&sid=${sid}`, { method: "POST", body: "40" })).text(), "ok");
    await fetch(`${url}&sid=${sid}`);
    const socket = await open(true, `&sid=${sid}`);
    equal(socket.agreed, NO_TAKEOVER);
    socket.send("2probe");
    equal(await socket.next(), "3probe");
    socket.send("5");
    const { read } = await echoes(socket, LARGE);
    ok(read < 200_000);
    socket.close();
  },
};

for (const [name, run] of Object.entries(CASES)) {
  const error = await run().then(
    () => null,
    (failure) => failure.stack,
  );
  console.log(JSON.stringify({ name, error }));
}
process.exit();
