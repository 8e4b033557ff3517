// The demo's page in Chromium: node browse.mjs CHROMIUM ADDRESS SCENARIO. Every wait is bounded; the first failure ends it.

import assert from "node:assert/strict";
import net from "node:net";
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../clients/package.json", import.meta.url))("playwright-core");
const [executablePath, address, scenario] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-quic", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath, args });
const problems = [];

async function open({ at = address, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.route("https://cdn.socket.io/**", (route) => route.abort());
  await page.goto(at);
  return page;
}

async function enter(page, name) {
  await page.getByLabel("Nickname").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByLabel("Message", { exact: true }).waitFor();
}

async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByLabel("Message", { exact: true }).press("Enter");
}

const line = (page, text) => page.getByRole("log").getByText(text, { exact: true });
const status = (page, words) => page.getByRole("status").getByText(words).waitFor();
const person = (page, name) => page.locator("#people li").filter({ hasText: name });

// A cable between the browser and the server that can be cut and mended.
async function cable() {
  const { hostname, port } = new URL(address);
  const ends = new Set();
  let cut = false;
  const server = net.createServer((near) => {
    if (cut) return near.destroy();
    const far = net.connect(port, hostname);
    for (const end of [near, far]) {
      ends.add(end);
      end.on("error", () => {});
      end.on("close", () => { ends.delete(end); near.destroy(); far.destroy(); });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    cut() { cut = true; ends.forEach((end) => end.destroy()); },
    mend() { cut = false; },
    close() { server.close(); ends.forEach((end) => end.destroy()); },
  };
}

const scenarios = {
  async talk() {
    const [ada, bob] = [await open(), await open({ colorScheme: "dark" })];
    await enter(ada, "Ada");
    await enter(bob, "Bob");
    await status(ada, "Connected over WebSocket");
    await status(bob, "Connected over WebSocket");

    await person(ada, "Bob").getByText("WebSocket, Engine.IO 4").waitFor();
    await person(bob, "Ada").getByText("WebSocket, Engine.IO 4").waitFor();
    await line(ada, "Bob came in").waitFor();

    await bob.getByLabel("Message", { exact: true }).pressSequentially("So");
    await ada.getByText("Bob is typing…").waitFor();

    const text = "<img src=x onerror=alert(1)> & 🚣";
    await say(ada, text);
    await line(bob, text).waitFor();
    await ada.getByRole("img", { name: "The server has it and sent it to 1 other person" }).waitFor();
    assert.equal(await bob.locator("#log img").count(), 0);

    await say(bob, "first\nsecond");
    await ada.getByText("first second").waitFor();
    assert.equal(await ada.locator("#typing").textContent(), "");

    await bob.getByRole("button", { name: /^Workshop/ }).click();
    await line(ada, "Bob left").waitFor();
    await ada.getByRole("button", { name: "Workshop, 1 person" }).waitFor();
    await line(bob, "You are in Workshop. You see what is said from now on.").waitFor();
    assert.equal(await line(bob, text).count(), 0);
    await say(ada, "alone");
    await ada.getByRole("img", { name: "The server has it and nobody else is here" }).waitFor();
    assert.equal(await line(bob, "alone").count(), 0);
  },

  async loss() {
    const link = await cable();
    const [ada, bob] = [await open(), await open({ at: link.address })];
    await enter(ada, "Ada");
    await enter(bob, "Bob");
    await status(bob, "Connected over WebSocket");
    await bob.getByRole("button", { name: /^Lighthouse/ }).click();
    await ada.getByRole("button", { name: /^Lighthouse/ }).click();
    await person(bob, "Ada").waitFor();

    link.cut();
    await status(bob, /^Connection lost/);
    await line(ada, "Bob left").waitFor();
    await say(bob, "into the void");
    await bob.getByText("The server did not confirm this.").waitFor();
    await status(bob, /attempt [2-9]/);

    link.mend();
    await status(bob, /^Connected over/);
    await bob.getByText(/^You were away for \d+ s\. What was said meanwhile is missing here\.$/).waitFor();
    await line(ada, "Bob came in").last().waitFor();
    assert.equal(await ada.locator("#people li").count(), 2);
    assert.equal(await line(ada, "into the void").count(), 0);

    await bob.getByRole("button", { name: "Send again" }).click();
    await line(ada, "into the void").waitFor();
    await bob.getByRole("img", { name: "The server has it and sent it to 1 other person" }).waitFor();
    link.close();
  },

  async refusal() {
    const page = await open();
    await page.getByLabel("Nickname").fill("\u202e");
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").getByText("Choose a nickname of 1 to 24 characters.").waitFor();
    await enter(page, "Ada");
    await status(page, "Connected over WebSocket");
  },

  async narrow() {
    const page = await open({ viewport: { width: 360, height: 640 }, colorScheme: "dark" });
    await enter(page, "Ada");
    await status(page, "Connected over WebSocket");
    for (let count = 1; count <= 12; count++) await say(page, `${count}: ${"Donaudampfschiff ".repeat(3)}`);
    await page.getByText(/^12: /).waitFor();
    const [width, bottom] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.getElementById("say").getBoundingClientRect().bottom,
    ]);
    assert.ok(width <= 360, `the page is ${width} pixels wide`);
    assert.ok(bottom <= 640, `the message field ends at ${bottom}`);
    assert.ok(await page.getByText(/^12: /).isVisible());

    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await ground();
    await page.getByRole("button", { name: "Colours: as the system has them" }).click();
    await page.getByRole("button", { name: "Colours: light" }).waitFor();
    assert.notEqual(await ground(), dark);
  },

  async missing() {
    const page = await open();
    await page.getByRole("alert").getByText("npm install --prefix .demo socket.io-client@4.8.4").waitFor();
    await status(page, "No Socket.IO client");
    assert.equal(await page.getByLabel("Nickname").isVisible(), false);
  },
};

try {
  await scenarios[scenario]();
  assert.deepEqual(problems, []);
} finally {
  await browser.close();
}
