/* tornadose_pages.mjs CHROMIUM '{"basic": "http://...", ...}': uses examples/tornadose; a line of JSON for each. */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [executablePath, addresses] = process.argv.slice(2);
const WATCHDOG_MS = 15_000;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic", "--disable-background-networking"] });

/** Wait until the list of a page has so many lines, and return them, the oldest first. */
async function lines(page, list, count) {
  await page.waitForFunction(([list, count]) => document.querySelectorAll(`#${list} li`).length >= count, [list, count]);
  return (await page.locator(`#${list} li`).allTextContents()).reverse();
}

const scenarios = {
  async floats(page, address) {
    await page.route(`${address}/page`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
    await page.goto(`${address}/page`);
    const floats = await page.evaluate(
      () =>
        new Promise((done, failed) => {
          const floats = [];
          const source = new EventSource("/");
          source.onmessage = ({ data }) => floats.push(Number(data)) === 3 && done(floats);
          source.onerror = () => failed(new Error("the EventSource failed"));
        }),
    );
    assert.ok(floats.every((float) => float > 0 && float < 1), floats);
  },
  async basic(page, address) {
    await page.goto(address);
    for (const list of ["events", "socket"]) {
      const [time] = await lines(page, list, 2);
      assert.match(time, /^20\d\d-\d\d-\d\dT/);
    }
  },
  async fibonacci(page, address) {
    await page.goto(address);
    const [first, second] = (await lines(page, "events", 2)).map(BigInt);
    assert.ok(second > first && first > 0n, `${first}, ${second}`);
  },
  async redis_pubsub(page, address) {
    await page.goto(address);
    await page.waitForLoadState("networkidle").catch(() => {});
    await page.evaluate(() => {
      window.again = setInterval(() => fetch("/publish", { method: "POST", body: new URLSearchParams({ message: "été 😀" }) }), 100);
    });
    assert.equal((await lines(page, "events", 1))[0], "été 😀");
    await page.evaluate(() => clearInterval(window.again));
  },
};

await Promise.all(
  Object.entries(JSON.parse(addresses)).map(async ([name, address]) => {
    const context = await browser.newContext();
    context.setDefaultTimeout(WATCHDOG_MS);
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    let error = null;
    try {
      await scenarios[name](page, address);
      assert.deepEqual(errors, []);
    } catch (caught) {
      error = String(caught.stack);
    }
    console.log(JSON.stringify({ name, error }));
    await context.close();
  }),
);
await browser.close();
