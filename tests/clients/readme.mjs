/* readme.mjs ADDRESS PID PAGE: uses one of the README's four applications, and ends its process.

Two clients connect as a page does, and are upgraded. One says something and is acknowledged; the other receives it. A
request for the page gets what is in the file PAGE, and both clients are told. SIGTERM closes both WebSockets. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { listen, request, within } from "./clients.mjs";

const { io } = createRequire(import.meta.url)("socket.io-client-4");
const [address, pid, file] = process.argv.slice(2);

async function connect() {
  const socket = io(address, { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 20 });
  const received = { said: listen(socket, "said"), news: listen(socket, "news") };
  const closed = new Promise((done) => socket.once("disconnect", (reason, { context }) => done(context.code)));
  await listen(socket, "connect").next(); // it tries again until the process listens
  const { engine } = socket.io;
  if (engine.transport.name === "polling") await within(new Promise((done) => engine.once("upgrade", done)), "upgrade");
  return { socket, received, closed };
}

const ada = await connect();
const bob = await connect();
assert.deepEqual(await request(ada.socket, "say", "tea 😀"), ["ok"]);
assert.deepEqual(await bob.received.said.next(), ["tea 😀"]);

const page = await fetch(`${address}/`);
assert.match(page.headers.get("content-type"), /^text\/html/);
const words = (text) => text.split(/\s+/).filter(Boolean); // a template of Tornado's joins white space
assert.deepEqual(words(await page.text()), words(readFileSync(file, "utf-8")));
for (const { received } of [ada, bob]) assert.deepEqual(await received.news.next(), ["somebody opens the page"]);
assert.deepEqual(ada.received.said.all, []);

process.kill(Number(pid), "SIGTERM");
for (const { closed } of [ada, bob]) assert.equal(await within(closed, "the end"), 1001);
process.exit();
