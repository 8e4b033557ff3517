/* tornado_websockets_pages.mjs CHROMIUM '{"chat": "http://...", ...}': uses the project; a line of JSON for each. */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { io } from "socket.io-client-4";
import WebSocket from "ws";

const [executablePath, addresses] = process.argv.slice(2);
const WATCHDOG_MS = 20_000;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic", "--disable-background-networking"] });

/** Open a page in a browser of its own. */
async function browse(address) {
  const context = await browser.newContext();
  context.setDefaultTimeout(WATCHDOG_MS);
  const page = await context.newPage();
  page.failures = [];
  page.on("pageerror", (error) => page.failures.push(String(error)));
  await page.goto(address);
  return page;
}

/** Log in by name, and wait until the chat is connected. */
async function login(address, name) {
  const page = await browse(address);
  await page.getByLabel("Name").fill(name);
  await page.getByRole("button").click();
  await page.getByText("connected", { exact: true }).waitFor();
  return page;
}

const line = (page, text) => page.locator("#lines li", { hasText: text }).first().waitFor();

async function say(page, text) {
  await page.getByLabel("Say").fill(text);
  await page.getByRole("button").click();
}

const scenarios = {
  async chat(address) {
    const ada = await login(address, "Ada");
    await line(ada, "Ada has come");
    const bob = await login(address, "Bob <b>");
    await line(ada, "Bob <b> has come");
    await say(bob, "été 😀 <script>");
    for (const page of [ada, bob]) await line(page, "Bob <b>: été 😀 <script>");
    await bob.context().close();
    await line(ada, "Bob <b> has gone");
    return [ada];
  },
  async upload(address) {
    const [sender, watcher] = [await browse(`${address}/upload`), await browse(`${address}/upload`)];
    await watcher.evaluate(() => {
      const bar = document.querySelector("progress");
      window.values = [];
      new MutationObserver(() => window.values.push(bar.value)).observe(bar, { attributes: true });
    });
    await sender.locator("#file").setInputFiles({ name: "film.bin", mimeType: "video/x", buffer: Buffer.alloc(1_500_000, 7) });
    await watcher.waitForFunction(() => document.querySelector("progress").value === 100);
    await watcher.getByText("film.bin").waitFor();
    const values = await watcher.evaluate(() => window.values);
    assert.ok(values.length > 3 && values.every((value, at) => at === 0 || value >= values[at - 1]), String(values));
    const late = await browse(`${address}/upload`);
    await late.waitForFunction(() => document.querySelector("progress").value === 100);
    return [sender, watcher, late];
  },
  async slow(address) {
    const page = await login(address, "Cleo");
    const answered = await page.evaluate(async () => {
      const order = [];
      for (let views = 0; views < 4; views++) fetch("/slow?seconds=5").then(() => order.push("slow"));
      const said = new Promise((done) => chat.on("said", ({ name }) => name === "Cleo" && done(order.push("said"))));
      await fetch("/login");
      order.push("page");
      chat.emit("say", "quick");
      await said;
      return order;
    });
    assert.deepEqual(answered, ["page", "said"]);
    return [page];
  },
  async again(address) {
    const page = await login(address, "Dan");
    await page.evaluate(() => {
      chat.websocket.close(); // as if it were lost
      chat.emit("say", "kept until then");
    });
    await page.getByText("connecting again").waitFor();
    await page.getByText("connected", { exact: true }).waitFor();
    await line(page, "Dan: kept until then");
    const times = await page.evaluate(
      () =>
        new Promise((done) => {
          const before = chat.websocket;
          let times = 0;
          chat.on("said", ({ text }) => (text === "once" ? times++ : text === "end" && done([times, before.readyState > 1])));
          chat.connect(); // in place of the connection that there is
          chat.connect();
          for (const text of ["once", "end"]) chat.emit("say", text);
        }),
    );
    assert.deepEqual(times, [1, true]);
    return [page];
  },
  async refused(address) {
    const page = await browse(`${address}/login`);
    const codes = await page.evaluate(
      () =>
        new Promise((done) => {
          const codes = [];
          const { hostname, port } = location;
          const ws = new TornadoWebSocket("chat", { host: hostname, port, secure: false });
          ws.on("close", ({ code }) => {
            codes.push(code);
            setTimeout(() => done([codes, ws.websocket.readyState, ws.url]), 1000);
          });
        }),
    );
    assert.deepEqual(codes, [[4401], 3, `${address.replace("http", "ws")}/ws/chat`]); // and it does not come back
    return [page];
  },
  async shared(address) {
    const plain = new WebSocket(`${address.replace("http", "ws")}/ws/news`);
    await new Promise((opened) => plain.on("open", opened));
    const modern = io(address);
    await new Promise((opened) => modern.on("connect", opened));
    const stream = (await fetch(`${address}/events`)).body.pipeThrough(new TextDecoderStream()).getReader();
    const news = new Promise((came) => modern.once("news", came));
    const message = new Promise((came) => plain.once("message", (text) => came(JSON.parse(text))));
    modern.emit("publish", { from: "Socket.IO" });
    assert.deepEqual([await news, await message], [{ from: "Socket.IO" }, { event: "news", data: { from: "Socket.IO" } }]);
    const back = new Promise((came) => modern.once("news", came));
    plain.send(JSON.stringify({ event: "publish", data: { from: "a WebSocket" } }));
    assert.deepEqual(await back, { from: "a WebSocket" });
    let events = "";
    while (!events.includes("a WebSocket")) events += (await stream.read()).value;
    assert.match(events, /event: news\ndata: \{"from":"Socket.IO"\}/);
    modern.close();
    plain.close();
    await stream.cancel();
    return [];
  },
};

await Promise.all(
  Object.entries(JSON.parse(addresses)).map(async ([name, address]) => {
    let error = null;
    try {
      for (const page of await scenarios[name](address)) assert.deepEqual(page.failures, []);
    } catch (caught) {
      error = String(caught.stack);
    }
    console.log(JSON.stringify({ name, error }));
  }),
);
await browser.close();
process.exit(0);
