/* oldest_pages.mjs CHROMIUM PORT VERSION...: the browser builds of 0.7 to 0.9 beside 4.8.4; a line of JSON for each result. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import { chromium } from "playwright-core";
import { Cable } from "./cable.mjs";
import { Client, listen, request } from "./clients.mjs";

const [executablePath, port, ...versions] = process.argv.slice(2);
const VERSIONS = { "0.7.11": "0.7", "0.8.7": "0.8", "0.9.17": "0.9" };
const TRANSPORTS = ["websocket", "xhr-polling", "jsonp-polling"];
const TEXTS = ["plain", "é € 😀", `"double" 'single'`, "line\nfeed \\n", "\u2028 \u2029", "</script><script>alert(1)</script><!--", "a=b&d=c+d%20;"];
const WATCHDOG_MS = 30_000;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic"] });
const source = (version) => readFileSync(new URL(`node_modules/socket.io-client-${VERSIONS[version]}/dist/socket.io.js`, import.meta.url), "utf8");

const pages = http.createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><script></script><body>"));
await new Promise((listening) => pages.listen(0, listening));

/* A page of the server's own origin, or of another, with the library and a few words. */
async function open(version, host) {
  const page = await browser.newPage();
  page.setDefaultTimeout(WATCHDOG_MS);
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("dialog", (dialog) => problems.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
  await page.goto(`${host}/page`);
  await page.addScriptTag({ content: source(version) });
  await page.evaluate(([server, patience]) => {
    const within = (promise, what) =>
      Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(new Error(`${what} did not come`)), patience))]);
    window.once = (emitter, event) => within(new Promise((done) => emitter.on(event, (...args) => done(args[0]))), event);
    window.ask = (event, ...args) =>
      within(new Promise((done) => socket.emit(event, ...args, (...values) => done(values))), `the answer to ${event}`);
    window.connect = async (transport, query = "") => {
      io.transports = [transport]; // the option of this name is mixed with what is there
      window.socket = io.connect(server + query, { "force new connection": true, reconnect: false });
      await once(socket, "connect");
      return socket.socket.transport.name;
    };
    // What Internet Explorer has: a document without a window, in which a frame loads what the server writes.
    window.standIn = () => {
      window.CollectGarbage = () => {};
      window.ActiveXObject = function () {
        const frame = document.body.appendChild(document.createElement("iframe"));
        Object.defineProperty(frame.contentDocument, "parentWindow", { get: () => frame.contentWindow });
        return frame.contentDocument;
      };
    };
  }, [`http://localhost:${port}`, WATCHDOG_MS]);
  return { page, problems };
}

const scenarios = {
  async "texts and receipts"(page, transport) {
    const heard = await page.evaluate(async ([transport, texts]) => {
      const all = [await connect(transport)];
      for (const text of texts) {
        const echo = new Promise((done) => socket.once("message", done));
        await new Promise((seen) => socket.send(text, seen));
        all.push(await echo);
      }
      return all;
    }, [transport, TEXTS]);
    assert.deepEqual(heard, [transport, ...TEXTS]);
  },
  async "events and acknowledgements both ways"(page, transport) {
    const heard = await page.evaluate(async ([transport, texts]) => {
      await connect(transport);
      const all = [];
      for (const text of texts) all.push(await ask("ack", text, { text }));
      socket.on("question", (text, answer) => answer(`${text}+1`));
      all.push(await ask("ask", "a+b"));
      return all;
    }, [transport, TEXTS]);
    assert.deepEqual(heard, [...TEXTS.map((text) => [text, { text }]), ["a+b+1"]]);
  },
  async "all at once and in order"(page, transport) {
    const heard = await page.evaluate(async ([transport, texts]) => {
      await connect(transport);
      const all = [];
      socket.on("echo", (text) => all.push(text));
      for (const text of texts) socket.emit("echo", text);
      await ask("nothing");
      return all;
    }, [transport, TEXTS]);
    assert.deepEqual(heard, TEXTS);
  },
  async "a room with a client of today"(page, transport, version, modern) {
    const room = `${version} ${transport}`;
    const seen = listen(modern.socket, "shout");
    await request(modern.socket, "join and tell", room);
    await page.evaluate(async ([transport, room]) => {
      await connect(transport);
      await ask("join and tell", room);
      window.heard = once(socket, "shout");
      socket.emit("shout", room, "from the past 😀");
    }, [transport, room]);
    assert.deepEqual(await seen.next(), ["from the past 😀"]);
    assert.equal(await page.evaluate(() => heard), "from the past 😀");
    await page.evaluate(() => void (window.heard = new Promise((done) => socket.on("shout", (text) => text === "from today" && done(text)))));
    modern.socket.emit("shout", room, "from today");
    assert.equal(await page.evaluate(() => heard), "from today");
    modern.socket.emit("leave", room);
  },
  async "100 kB each way"(page, transport) {
    const equal = await page.evaluate(async (transport) => {
      await connect(transport);
      const text = '"😀\\n'.repeat(20_000);
      return (await ask("ack", text))[0] === text;
    }, transport);
    assert.equal(equal, true);
  },
  async "disconnected by the server"(page, transport) {
    const reason = await page.evaluate(async (transport) => {
      await connect(transport);
      const gone = once(socket, "disconnect");
      socket.emit("hang up");
      return gone;
    }, transport);
    assert.ok(["booted", undefined, null].includes(reason), reason);
  },
  async "refused, and quiet then"(page, transport) {
    let requests = 0;
    page.on("request", () => (requests += 1));
    await page.evaluate(async ([server, transport]) => {
      io.transports = [transport];
      window.socket = io.connect(`${server}?refuse=1`, { "force new connection": true, reconnect: false });
      await once(socket, "connect_failed");
      await new Promise((later) => setTimeout(later, 300));
    }, [`http://localhost:${port}`, transport]);
    assert.ok(requests < 12, `${requests} requests`); // 0.7 and 0.8 would ask on and on, hundreds of times
  },
  async "another transport when nothing comes over the first"(page, transport, version, modern, cable) {
    const other = transport === "websocket" ? "xhr-polling" : "websocket";
    cable.swallow(`/1/${transport}/`);
    const seen = await page.evaluate(async ([server, transports]) => {
      io.transports = transports;
      window.socket = io.connect(`${server}?greet=you`, { "force new connection": true, reconnect: false, "connect timeout": 1500 });
      const all = { tried: [], connect: 0, greeting: 0, disconnect: 0 };
      for (const event of ["connect", "greeting", "disconnect"]) socket.on(event, () => (all[event] += 1));
      socket.on("connecting", (name) => all.tried.push(name));
      await once(socket, "greeting");
      all.answer = await ask("ack", "over the other");
      await new Promise((later) => setTimeout(later, 500)); // whether the end of the first does harm
      return { ...all, still: await ask("ack", "still") };
    }, [`http://localhost:${cable.port}`, [transport, other]]);
    assert.deepEqual(seen, { tried: [transport, other], connect: 1, greeting: 1, disconnect: 0, answer: ["over the other"], still: ["still"] });
  },
};

async function run(version, transport, scenario, act, modern) {
  const cable = act.length > 4 && (await Cable.to(port)); // the page has to be of the same origin as what it leads to
  const origin = cable ? cable.port : transport === "htmlfile" ? port : pages.address().port;
  const { page, problems } = await open(version, `http://localhost:${origin}`);
  let error = null;
  try {
    if (transport === "htmlfile") await page.evaluate(() => standIn());
    await act(page, transport, version, modern, cable);
    assert.deepEqual(problems, []);
  } catch (failure) {
    error = failure.stack;
  }
  await page.close();
  if (cable) cable.close();
  console.log(JSON.stringify({ version, transport, scenario, error }));
}

/* The versions at the same time, for their clients wait more than they work. */
await Promise.all(versions.map(async (version) => {
  const modern = await new Client(port, { generation: "4.8.4", transport: "websocket", parser: "json" }).connected();
  for (const transport of version === "0.9.17" ? [...TRANSPORTS, "htmlfile"] : TRANSPORTS)
    for (const [scenario, act] of Object.entries(scenarios)) await run(version, transport, scenario, act, modern);
}));
await browser.close();
process.exit();
