/* tornadio2_pages.mjs CHROMIUM '{"ackping": "http://...", ...}': uses the pages of examples/tornadio2; a line of JSON for each. */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [executablePath, addresses] = process.argv.slice(2);
const WATCHDOG_MS = 15_000;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic"] });
const context = await browser.newContext({ ignoreHTTPSErrors: true });

const log = (page) => page.locator("#log li").allTextContents();
const until = async (page, said) => {
  await page.waitForFunction((said) => [...document.querySelectorAll("#log li")].some((line) => line.textContent === said), said);
  return log(page);
};
const say = async (page, text) => {
  await page.fill("#text", text);
  await page.click("#say button");
};

async function pings(page) {
  await page.waitForFunction(() => /^\d+ ms$/.test(document.getElementById("trip").value));
  const time = await page.inputValue("#server").catch(() => page.locator("#server").textContent());
  assert.match(time, /^20\d\d-\d\d-\d\dT/);
}

/* A browser has no Flash, and htmlfile is for Internet Explorer; the server's part of both is tested by raw sockets. */
async function transports(page) {
  for (const transport of ["websocket", "xhr-polling", "jsonp-polling"]) {
    await page.getByRole("button", { name: transport, exact: true }).click();
    await until(page, `connected over ${transport}`);
    await say(page, `echo over ${transport} 😀`);
    await until(page, `echo over ${transport} 😀 (${transport})`);
  }
}

const scenarios = {
  ackping: pings,
  rpcping: pings,
  transports,
  ssl_transports: transports,

  async crosssite(page) {
    await page.waitForFunction(() => io.sockets[Object.keys(io.sockets)[0]].connected);
    await say(page, "from one origin to another");
    await until(page, "from one origin to another");
    const other = await page.evaluate(() => io.sockets[Object.keys(io.sockets)[0]].options.port);
    assert.notEqual(String(other), new URL(page.url()).port);
  },

  async gen(page) {
    await page.waitForFunction(() => io.sockets[Object.keys(io.sockets)[0]].connected);
    await page.click("#count");
    await page.click("#count");
    const order = [1, 2].flatMap((count) => [1, 2, 3, 4, 5].map((step) => `count ${count}: ${step}`));
    assert.deepEqual(await until(page, "count 2: 5"), order);
  },

  async multiplexed(page) {
    await until(page, "Somebody has come.");
    const other = await context.newPage();
    await other.goto(page.url());
    await until(other, "Somebody has come.");
    await say(page, "hello 😀");
    await until(other, "hello 😀");
    await other.click("#ping");
    await other.waitForFunction(() => /^pong after \d+ ms$/.test(document.getElementById("trip").value));
    await other.evaluate(() => io.connect("/chat").disconnect());
    await until(page, "Somebody has left.");
    await other.close();
  },

  async stats(page) {
    await page.waitForSelector("#figures dt");
    await page.click("#load");
    await page.waitForFunction(() => {
      const names = [...document.querySelectorAll("#figures dt")];
      const busy = names.find((name) => name.textContent === "packets_recv_ps");
      return busy && Number(busy.nextElementSibling.textContent) > 0;
    });
    const names = await page.locator("#figures dt").allTextContents();
    assert.deepEqual(names, [
      "active_connections", "active_sessions", "connections_ps", "max_connections", "max_sessions", "packets_recv_ps", "packets_sent_ps",
    ]);
    const drawn = await page.evaluate(() => {
      const canvas = document.getElementById("graph");
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
    });
    assert.ok(drawn, "nothing is drawn");
  },
};

for (const [name, address] of Object.entries(JSON.parse(addresses))) {
  const page = await context.newPage();
  page.setDefaultTimeout(WATCHDOG_MS);
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  let error = null;
  try {
    await page.goto(address);
    await scenarios[name](page);
    assert.deepEqual(problems, []);
  } catch (caught) {
    error = `${caught.stack}\n${problems.join("\n")}\n${(await log(page).catch(() => [])).join("\n")}`;
  }
  console.log(JSON.stringify({ name, error }));
  await page.close();
}
await browser.close();
