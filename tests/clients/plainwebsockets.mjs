/* plainwebsockets.mjs PORT CHROMIUM: WebSockets of Chromium and of Node without a library; a line of JSON for each result. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { Cable } from "./cable.mjs";
import { Client, listen, request, within } from "./clients.mjs";

const [port, executablePath] = process.argv.slice(2);
const text = readFileSync(new URL("../../docs/websocket.md", import.meta.url), "utf8");
const [code] = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic", "--disable-background-networking"] });

/** A page that has what a WebSocket gets: `heard` begins at a path, and `until` waits for a message or the close. */
async function open(at = port) {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  await page.goto(`http://127.0.0.1:${at}/page`);
  await page.evaluate(() => {
    window.start = (path, protocols = []) => {
      window.seen = [];
      window.socket = new WebSocket(`ws://${location.host}${path}`, protocols);
      socket.onmessage = ({ data }) => seen.push(JSON.parse(data));
      return new Promise((done) => {
        socket.onopen = () => done(socket.protocol);
        socket.onclose = ({ code, wasClean }) => seen.push({ code, wasClean }) && done(null);
      });
    };
  });
  return page;
}

const send = (page, value) => page.evaluate((value) => socket.send(value), typeof value === "string" ? value : JSON.stringify(value));
const start = (page, path, protocols) => page.evaluate(([path, protocols]) => start(path, protocols), [path, protocols]);

/** Wait until so much was seen, and return it. */
async function seen(page, count) {
  await page.waitForFunction((count) => seen.length >= count, count);
  return page.evaluate(() => seen);
}

/** Run the code of the page of the documentation, as it stands there. */
async function enter(page) {
  await page.evaluate(() => Object.assign(window, { shown: [], show: (event, data) => shown.push([event, data]) }));
  await page.addScriptTag({ content: code });
  await page.waitForFunction(() => ws.readyState === 1);
}

const modern = new Client(port, { generation: "4.8.4", transport: "websocket", parser: "json" });
const chat = modern.of("/chat", { name: "Grace" });
const said = listen(chat, "said");
await listen(chat, "connect").next();

const closed = async (page, path, act = async () => {}) => {
  await start(page, path);
  await act(page);
  await page.waitForFunction(() => seen.some(({ code }) => code));
  const all = await page.evaluate(() => seen);
  return all.at(-1);
};

function report(scenario, error) {
  console.log(JSON.stringify({ generation: "WebSocket", transport: "Chromium", scenario, error }));
}

const scenarios = {
  async "the code of the page"(page) {
    await enter(page);
    assert.deepEqual(await page.evaluate(() => call("say", "hello").then(({ data }) => data)), "ok");
    const hello = { name: "Ada", text: "hello" };
    assert.deepEqual(await said.next(), [hello]);
    assert.deepEqual(await request(chat, "say", "hi"), ["ok"]);
    const hi = { name: "Grace", text: "hi" };
    assert.deepEqual(await said.next(), [hi]);
    await page.evaluate(() => emit("say", "bye"));
    await page.waitForFunction(() => shown.length === 3);
    assert.deepEqual(await page.evaluate(() => shown), [hello, hi, { name: "Ada", text: "bye" }].map((one) => ["said", one]));
    assert.deepEqual(await said.next(), [{ name: "Ada", text: "bye" }]);
    const answers = await page.evaluate(() => Promise.all([call("say", "1"), call("nowhere", 1), call("say"), call("auths")]));
    assert.deepEqual(answers.map(({ data, error }) => data ?? error.message).slice(0, 2), ["ok", "Unknown event"]);
    assert.ok(answers[2].error.message);
    assert.equal(await page.evaluate(() => answers.size), 0);
    assert.equal(await page.evaluate(() => ws.readyState), 1);
    await said.next();
  },
  async "connect as the first message"(page) {
    await start(page, "/ws");
    await send(page, { connect: { name: "Alan" } });
    const [{ connect }] = await seen(page, 1);
    assert.deepEqual(Object.keys(connect), ["sid"]);
    await send(page, { event: "say", data: "hello", id: "a" });
    assert.deepEqual(await said.next(), [{ name: "Alan", text: "hello" }]);
    const all = await seen(page, 3);
    assert.deepEqual(all.slice(1), [{ event: "said", data: { name: "Alan", text: "hello" } }, { id: "a", data: "ok" }]);
    await send(page, {});
    assert.deepEqual((await seen(page, 4))[3], {});
  },
  async "an event as the first message"(page) {
    await start(page, "/ws");
    await send(page, { event: "say", data: "hello", more: 1 });
    assert.deepEqual(await said.next(), [{ name: "somebody", text: "hello" }]);
  },
  async "a call of the server"(page) {
    await start(page, "/ws?name=Ada");
    await send(page, { event: "double", id: 7 });
    const [, asked] = await seen(page, 2);
    assert.deepEqual(asked, { event: "double", data: 21, id: asked.id });
    await send(page, { id: asked.id, data: 42 });
    assert.deepEqual((await seen(page, 3))[2], { id: 7, data: 42 });
  },
  async "a refusal"(page) {
    await start(page, "/strict?token=a%20b");
    assert.deepEqual(await seen(page, 2), [{ error: { message: "no seat", data: { left: 0 } } }, { code: 4401, wasClean: true }]);
    await start(page, "/strict");
    await send(page, { connect: { token: ["a"] } });
    assert.deepEqual(await seen(page, 2), [{ error: { message: "no seat", data: { left: 0 } } }, { code: 4401, wasClean: true }]);
    assert.deepEqual(await request(chat, "auths"), [[{ token: "a b" }, { token: ["a"] }]]);
  },
  async "a refusal before the WebSocket"(page) {
    assert.deepEqual(await closed(page, "/rooms/red"), { code: 1006, wasClean: false });
  },
  async "codes"(page) {
    const codes = {
      1000: ["/ended"],
      1003: ["/ws?name=Ada", () => page.evaluate(() => socket.send(new Uint8Array(3)))],
      1009: ["/ws?name=Ada", () => send(page, "x".repeat(1_000_001))],
      1011: ["/failing?name=Ada"],
      4400: ["/ws?name=Ada", () => send(page, "hello")],
      4401: ["/silent"],
      4403: ["/ws?name=Ada", () => send(page, { event: "kick" })],
      4429: ["/ws", () => send(page, { connect: {} }).then(() => send(page, { connect: {} }))],
    };
    for (const [code, [path, act]] of Object.entries(codes)) {
      assert.deepEqual(await closed(page, path, act), { code: Number(code), wasClean: true }, path);
      report(`code ${code}`, null);
    }
  },
  async "the subprotocol"(page) {
    assert.equal(await start(page, "/ws", "waterspout.json.v1"), "waterspout.json.v1");
    assert.equal(await start(page, "/ended", ["token.5", "waterspout.json.v1"]), "waterspout.json.v1");
    assert.equal(await start(page, "/ws"), "");
  },
  async "pings, answered by the browser itself"() {
    const cable = await Cable.to(port);
    let pongs = 0;
    let answered;
    const third = new Promise((done) => (answered = done));
    cable.server.on("connection", (near) => near.on("data", ([first]) => first === 0x8a && (pongs += 1) === 3 && answered()));
    const page = await open(cable.port);
    await start(page, "/pinging");
    await within(third, "the third pong");
    assert.deepEqual((await seen(page, 1)).map(Object.keys), [["connect"]]);
    await page.close();
    cable.close();
  },
  /* As the clients in the documentation of NestJS are written: they know `event` and `data`, and nothing else. */
  async "a client of a gateway of NestJS"() {
    const client = () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/gateway`);
      const listeners = {};
      const all = [];
      socket.on("message", (message) => {
        const { event, data } = JSON.parse(message);
        listeners[event]?.(data);
        all.push(event);
      });
      return {
        all,
        ready: new Promise((done) => socket.on("open", done)),
        emit: (event, data) => socket.send(JSON.stringify({ event, data })),
        next: (event) => within(new Promise((done) => (listeners[event] = done)), event),
        close: () => socket.close(),
      };
    };
    const [one, other] = [client(), client()];
    await Promise.all([one.ready, other.ready]);
    for (const data of ["text", 5, null, { a: [1] }, [1, 2]]) {
      one.emit("identity", data);
      assert.deepEqual(await one.next("answer"), data);
    }
    one.emit("nothing"); // without data
    assert.equal(await one.next("answer"), null);
    one.emit("of nobody", 1);
    other.emit("of nobody", 1);
    other.emit("identity", 1);
    await other.next("answer");
    other.emit("all", "everybody");
    assert.deepEqual(await Promise.all([one.next("all"), other.next("all")]), ["everybody", "everybody"]);
    one.close();
    other.close();
  },
  async "the end of the server"(page) {
    await enter(page);
    const code = await page.evaluate(() => new Promise((done) => {
      ws.onclose = ({ code }) => done(code);
      emit("close the server");
    }));
    assert.equal(code, 1001);
    report("code 1001", null);
  },
};

for (const [scenario, act] of Object.entries(scenarios)) {
  const page = await open();
  let error = null;
  try {
    await act(page);
    assert.deepEqual(page.problems, []);
  } catch (failure) {
    error = failure.stack;
  }
  report(scenario, error);
  await page.close();
}
modern.close();
await browser.close();
process.exit();
