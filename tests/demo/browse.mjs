// The demo's page in Chromium: node browse.mjs CHROMIUM. It reads a line of JSON for each scenario to play,
// { scenario, address, second, pid } (a second server, and the process of the first), and answers { error } each time.
// All have one browser, each has contexts of its own. Every wait is bounded.

import assert from "node:assert/strict";
import net from "node:net";
import { createRequire } from "node:module";
import readline from "node:readline";

const require = createRequire(new URL("../clients/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const [executablePath] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-quic", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath, args });
let address, second, pid, problems;

async function open({ at = address, context, ...options } = {}) {
  context ??= await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("dialog", (dialog) => problems.push(`a dialog: ${dialog.message()}`));
  page.on("console", (message) => { if (/Content.Security.Policy/i.test(message.text())) problems.push(message.text()); });
  await page.route("https://cdn.socket.io/**", (route) => route.abort());
  await page.goto(at);
  return page;
}

async function enter(page, name, room = "") {
  await page.getByLabel("Nickname").fill(name);
  if (room) await page.getByLabel("Room", { exact: true }).fill(room);
  await page.getByRole("button", { name: "Enter" }).click();
  await message(page).waitFor();
}

async function say(page, text) {
  await message(page).fill(text);
  await message(page).press("Enter");
}

const message = (page) => page.getByLabel("Message", { exact: true });
const line = (page, text) => page.getByRole("log").getByText(text, { exact: true });
const status = (page, words) => page.locator("#words").getByText(words).waitFor();
const person = (page, name) => page.locator("#people li").filter({ hasText: name });
const room = (page, name) => page.getByRole("navigation").getByRole("button", { name });
const tick = (page, text, name) => page.locator(".mine").filter({ hasText: text }).getByRole("img", { name, exact: true });
const pulses = async (page) => ((await page.locator("#live").getAttribute("data-ids")) ?? "").trim().split(" ").map(Number);
const texts = (page) => page.locator("#log .bubble p").allTextContents();

// A cable between the browser and the server that can be cut, mended, put on hold, and led to another server.
async function cable() {
  const ends = new Set();
  let cut = false, target = new URL(address);
  const server = net.createServer((near) => {
    if (cut) return near.destroy();
    const far = net.connect(target.port, target.hostname);
    for (const end of [near, far]) {
      ends.add(end);
      end.on("error", () => {});
      end.on("close", () => { ends.delete(end); near.destroy(); far.destroy(); });
    }
    near.on("data", (data) => far.write(data));
    far.on("data", (data) => near.write(data));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    cut() { cut = true; ends.forEach((end) => end.destroy()); },
    mend(to = address) { cut = false; target = new URL(to); },
    hold() { ends.forEach((end) => end.pause()); },
    release() { ends.forEach((end) => end.resume()); },
    close() { server.close(); ends.forEach((end) => end.destroy()); },
  };
}

const scenarios = {
  async talk() {
    const [ada, bob] = [await open(), await open({ colorScheme: "dark" })];
    await enter(ada, "Ada");
    await ada.getByRole("heading", { name: "It is quiet in here" }).waitFor();
    await enter(bob, "Bob");
    await status(ada, "Connected over WebSocket");
    await person(ada, "Bob").getByText("WebSocket · Engine.IO 4").waitFor();
    await person(bob, "Ada").getByText("WebSocket · Engine.IO 4").waitFor();
    await line(ada, "Bob came in").waitFor();
    await ada.locator("#connections li").filter({ hasText: /^Engine\.IO 4 · websocket2$/ }).waitFor();
    await ada.locator("#connections li").filter({ hasText: /^EventSource · event-stream2$/ }).waitFor();

    await message(bob).pressSequentially("So");
    await ada.getByText("Bob is typing…").waitFor();

    await say(ada, "hello 🚣");
    await line(bob, "hello 🚣").waitFor();
    await tick(ada, "hello 🚣", "Received").waitFor();
    assert.equal(await ada.getByRole("heading", { name: "It is quiet in here" }).isVisible(), false);

    await say(bob, "first\nsecond");
    await ada.getByText("first second").waitFor();
    assert.equal(await ada.locator("#typing").textContent(), "");
    await ada.locator("#rate").getByText(/^[1-9]/).waitFor();
  },

  // The second tick comes in the same payload as the answer, whose handler runs after it.
  async ticks() {
    const page = await open();
    await enter(page, "Ada");
    await page.evaluate(async () => {
      const { confirm, say, use } = await import("/conversation.js");
      const receipt = (key, got) => ({ id: 1, key, at: Date.now(), got, of: 2 });
      const ask = async (text, key) => {
        confirm(receipt(key, text === "to all" ? 2 : 1));
        return receipt(key, 0);
      };
      use({ up: () => true, ask });
      say("to all");
      say("to one");
    });
    await tick(page, "to one", "The server has it; received by 1 of 2").waitFor();
    await tick(page, "to all", "Received by all 2").waitFor();
  },

  async rooms() {
    const [ada, bob] = [await open(), await open()];
    await enter(ada, "Ada");
    await enter(bob, "Bob");
    await say(ada, "in the harbour");
    await line(bob, "in the harbour").waitFor();

    await room(ada, "Workshop, 0 people").focus();
    await bob.getByLabel("Room to join or make").fill("Crow’s nest");
    await bob.getByLabel("Room to join or make").press("Enter");
    await line(bob, "You are in Crow’s nest. You see what is said from now on.").waitFor();
    await line(ada, "Bob left").waitFor();
    await room(ada, "Crow’s nest, 1 person").waitFor();
    assert.equal(await ada.evaluate(() => document.activeElement.textContent), "Workshop0"); // the new list kept the focus
    assert.deepEqual(await texts(bob), []);
    await say(ada, "alone");
    await tick(ada, "alone", "The server has it; nobody else is here").waitFor();
    assert.equal(await line(bob, "alone").count(), 0);

    // The address leads to the room, and back to where one was.
    const cleo = await open({ at: bob.url() });
    await enter(cleo, "Cleo");
    await person(bob, "Cleo").waitFor();
    await bob.goBack();
    await line(ada, "Bob came in").last().waitFor();
    assert.equal(new URL(bob.url()).hash, "#Harbour");

    // Nobody is in there any more: it is gone.
    await cleo.getByRole("button", { name: "Leave the chat" }).click();
    await cleo.getByLabel("Nickname").waitFor();
    await room(ada, /^Crow’s nest/).waitFor({ state: "detached" });
  },

  async injection() {
    const evil = (kind) => `<img src=x onerror=alert("${kind[0]}")>`;
    const ada = await open();
    await enter(ada, "Ada", "<script>alert()</script>");
    const bob = await open({ at: ada.url() });
    await enter(bob, "<b>Bob</b><script>");
    await ada.getByRole("heading", { name: "<script>alert()</script>" }).waitFor();
    await person(ada, "<b>Bob</b><script>").waitFor();
    await line(ada, "<b>Bob</b><script> came in").waitFor();
    await message(bob).pressSequentially("x");
    await ada.getByText("<b>Bob</b><script> is typing…").waitFor();
    await say(bob, evil("message"));
    await line(ada, evil("message")).waitFor();
    for (const page of [ada, bob]) {
      assert.equal(await page.locator("main img, main b, main script").count(), 0);
      assert.equal(await page.locator("script").count(), 2); // main.js and the client
    }
  },

  async links() {
    const [ada, bob] = [await open(), await open()];
    await enter(ada, "Ada");
    await enter(bob, "Bob");
    await say(ada, "(see https://example.org/a_(b)?c=\"d, HTTP://example.net.) javascript:alert(1) ftp://x https:// http://[");
    const links = bob.locator("#log .bubble a");
    await links.first().waitFor();
    assert.deepEqual(await links.evaluateAll((all) => all.map((a) => [a.textContent, a.href, a.target, a.rel])), [
      ["https://example.org/a_(b)?c=", "https://example.org/a_(b)?c=", "_blank", "noopener noreferrer"],
      ["HTTP://example.net", "http://example.net/", "_blank", "noopener noreferrer"],
    ]);
    assert.deepEqual(await texts(bob), await texts(ada));
    assert.match((await texts(bob))[0], /^\(see .*\) javascript:.* http:\/\/\[$/);
  },

  async haste() {
    const page = await open();
    await enter(page, "Ada");
    await page.evaluate(async () => {
      const { say, use } = await import("/conversation.js");
      use({ up: () => true, ask: async (text) => ({ error: text === "c" ? "Too long." : "Wait a second." }) });
      ["a", "b", "c", "d"].forEach(say);
    });
    await page.getByRole("button", { name: "Send again" }).nth(3).waitFor();
    const lines = await page.locator("#log .mine").evaluateAll((all) => all.map((line) => line.querySelector(".failure").textContent));
    assert.deepEqual(lines, [" Send again", " Send again", "Too long. Send again", "Wait a second. Send again"]);
  },

  async code() {
    const page = await open({ viewport: { width: 320, height: 568 }, permissions: ["clipboard-read", "clipboard-write"] });
    await enter(page, "Ada", 'A "room"');
    await page.getByText("Join from code").click();
    const wide = await page.locator("#code").evaluate((code) => [code.scrollWidth, code.clientWidth]);
    assert.equal(wide[0], wide[1]);
    await page.getByRole("button", { name: "Copy code" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const code = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(code, await page.locator("#code").textContent());
    assert.ok(code.startsWith('import { io } from "socket.io-client";\n'), code);

    // It is a program that runs.
    const { io } = require("socket.io-client-4");
    let robot;
    const connected = (...args) => (robot = io(...args));
    new Function("io", code.replace(/^import .*$/m, ""))(connected);
    await line(page, "Hello!").waitFor();
    robot.disconnect();
  },

  async loss() {
    const link = await cable();
    const [ada, bob] = [await open(), await open({ at: link.address })];
    await enter(ada, "Ada");
    await enter(bob, "Bob");
    await person(ada, "Bob").getByText("WebSocket").waitFor();
    await say(bob, "before");
    await tick(bob, "before", "Received").waitFor();

    link.cut();
    await status(bob, "Reconnecting…");
    await person(ada, "Bob").getByText("connection lost").waitFor();
    await line(ada, "Bob has lost the connection").waitFor();
    await say(bob, "into the void");
    await tick(bob, "into the void", "Not sent: it waits for the connection").waitFor();
    await say(ada, "meanwhile");
    await tick(ada, "meanwhile", "The server has it; received by 0 of 1").waitFor();
    await bob.getByText(/^Attempt [2-9] in \d+ s$/).waitFor();

    link.mend();
    await bob.getByRole("button", { name: "Try now" }).click();
    await line(ada, "Bob is back").waitFor();
    await bob.getByText(/^You were away for \d+ s\. This was said meanwhile:$/).waitFor();
    await line(ada, "into the void").waitFor();
    await tick(ada, "meanwhile", "Received").waitFor();
    await tick(bob, "into the void", "Received").waitFor();
    await status(bob, /^Connected over/);
    assert.equal(await bob.evaluate(() => document.activeElement.id), "text");
    assert.equal(await bob.locator("#banner").isVisible(), false);

    // The live panel has gone on from its last id, without a hole.
    const before = await pulses(bob);
    await bob.locator('#live[data-state="open"]').waitFor();
    while ((await pulses(bob)).at(-1) === before.at(-1)) await bob.waitForTimeout(100);
    const ids = await pulses(bob);
    assert.deepEqual(ids, ids.map((_, at) => ids[0] + at));
    for (const page of [ada, bob]) {
      assert.deepEqual(await texts(page), ["before", "meanwhile", "into the void"]);
      assert.equal(await page.locator("#people li").count(), 2);
    }

    // A page that is loaded again has the same place, and all that was said since it came.
    await bob.reload();
    await line(bob, "You are back in Harbour.").waitFor();
    await tick(bob, "into the void", "Received").waitFor();
    assert.deepEqual(await texts(bob), ["before", "meanwhile", "into the void"]);
    assert.equal(await bob.locator("#log > li").last().textContent(), "You are back in Harbour.");
    link.close();
  },

  async silence() {
    const link = await cable();
    const ada = await open();
    const context = await browser.newContext({ viewport: { width: 1000, height: 700 } });
    await context.clock.install();
    const bob = await open({ context, at: link.address });
    await enter(ada, "Ada");
    await enter(bob, "Bob");
    await person(ada, "Bob").getByText("WebSocket").waitFor();

    link.hold();
    await say(bob, "can you hear me?");
    await tick(bob, "can you hear me?", "Sent, not confirmed yet").waitFor();
    await bob.clock.fastForward(8000);
    await bob.getByText("The server did not confirm this.").waitFor();
    await bob.getByRole("button", { name: "Send again" }).click();
    link.release();

    // Now it comes twice, and is said once.
    await line(ada, "can you hear me?").waitFor();
    await tick(bob, "can you hear me?", "Received").waitFor();
    await say(bob, "good");
    await line(ada, "good").waitFor();
    assert.deepEqual(await texts(ada), ["can you hear me?", "good"]);
    assert.deepEqual(await texts(bob), ["can you hear me?", "good"]);
    link.close();
  },

  async restart() {
    const link = await cable();
    const page = await open({ at: link.address });
    await enter(page, "Ada", "Attic");
    await say(page, "before");
    await tick(page, "before", "The server has it; nobody else is here").waitFor();
    process.kill(pid);
    await status(page, "Reconnecting…");
    await say(page, "and after");
    link.mend(second);
    await page.getByText(/^You were away for \d+ s, too long for your place to be kept\./).waitFor();
    await tick(page, "and after", "The server has it; nobody else is here").waitFor();
    await room(page, "Attic, 1 person").waitFor();
    assert.deepEqual(await texts(page), ["before", "and after"]);
    const lines = await page.locator("#log > li").allTextContents();
    const away = lines.findIndex((text) => text.startsWith("You were away"));
    assert.ok(away < lines.findIndex((text) => text.includes("and after")), lines.join("\n")); // it was said after that
    link.close();
  },

  async tabs() {
    const one = await open();
    await enter(one, "Ada");
    const two = await open({ context: one.context() });
    await two.evaluate((kept) => Object.assign(sessionStorage, kept), await one.evaluate(() => ({ ...sessionStorage })));
    await two.reload();
    await line(two, "You are back in Harbour.").waitFor();
    await one.getByText("This chat goes on in another tab.").waitFor();
    await one.getByRole("button", { name: "Use it here" }).click();
    await two.getByText("This chat goes on in another tab.").waitFor();
    await status(one, /^Connected over/);
    assert.equal(await one.locator("#people li").count(), 1);
  },

  async old() {
    const page = await open();
    await enter(page, "Ada");
    const client = require("socket.io-client-2")(address, { query: { name: "Methuselah" }, transports: ["websocket"] });
    client.on("said", ({ text }, received) => {
      received();
      client.emit("typing");
      client.emit("say", `you said: ${text}`);
    });
    await person(page, "Methuselah").getByText("WebSocket · Engine.IO 3").waitFor();
    await say(page, "hello");
    await line(page, "you said: hello").waitFor();
    await tick(page, "hello", "Received").waitFor();
    client.close();
    await line(page, "Methuselah left").waitFor();
  },

  // Pages with the client 0.9: one as it is, one whose browser has no WebSocket.
  async oldest() {
    const link = await cable();
    const [ada, bob] = [await open(), await open({ at: `${link.address}old` })];
    const context = await browser.newContext();
    await context.addInitScript(() => { delete window.WebSocket; });
    const eve = await open({ at: `${address}/old`, context });
    const enterOld = async (page, name) => {
      await page.getByLabel("Nickname").fill(name);
      await page.getByRole("button", { name: "Enter" }).click();
    };
    const old = (page, text) => page.locator("#log .text").getByText(text, { exact: true });
    const ticked = (page, text, mark) => page.locator("#log li").filter({ hasText: text }).locator(".mark").getByText(mark, { exact: true }).waitFor();
    await enter(ada, "Ada");
    await enterOld(bob, "ADA");
    await bob.getByRole("alert").getByText(/that nobody else has/).waitFor();
    await enterOld(bob, "<b>Bob & co=1</b>");
    await enterOld(eve, "Eve");
    await bob.getByText("Connected over websocket").waitFor();
    await eve.getByText("Connected over xhr-polling").waitFor();
    await person(ada, "<b>Bob & co=1</b>").getByText("WebSocket · Socket.IO 1").waitFor();
    await person(ada, "Eve").getByText("xhr-polling · Socket.IO 1").waitFor();
    await bob.locator("#people").getByText("Eve").waitFor();

    await say(ada, "hello\u2028<i>all</i> 🚣");
    await tick(ada, "hello", "Received by all 2").waitFor();
    for (const page of [bob, eve]) await old(page, "hello\u2028<i>all</i> 🚣").waitFor();
    await say(bob, "from bob");
    await ticked(bob, "from bob", "✓✓");
    await say(eve, "from eve");
    await ticked(eve, "from eve", "✓✓");
    assert.deepEqual(await texts(ada), ["hello\u2028<i>all</i> 🚣", "from bob", "from eve"]);

    link.cut();
    await bob.getByText("Connection lost. Reconnecting…").waitFor();
    await say(ada, "meanwhile");
    link.mend();
    await old(bob, "meanwhile").waitFor();
    await tick(ada, "meanwhile", "Received by all 2").waitFor();
    const all = ["hello\u2028<i>all</i> 🚣", "from bob", "from eve", "meanwhile"];
    assert.deepEqual(await bob.locator("#log .text").allTextContents(), all);
    await bob.reload();
    await enterOld(bob, "Bob");
    await bob.getByText("You are back in Harbour.").waitFor();
    assert.deepEqual(await bob.locator("#log .text").allTextContents(), all);

    const again = await open({ at: bob.url(), context: bob.context() });
    await again.evaluate((kept) => Object.assign(sessionStorage, kept), await bob.evaluate(() => ({ ...sessionStorage })));
    await enterOld(again, "Bob");
    await again.getByText("You are back in Harbour.").waitFor();
    await bob.getByRole("alert").getByText(/the chat goes on in another tab/).waitFor();
    await enterOld(bob, "Bob");
    await again.getByRole("alert").getByText(/the chat goes on in another tab/).waitFor();
    assert.deepEqual(await bob.locator("#log .text").allTextContents(), all);

    await eve.getByRole("button", { name: "Leave the chat" }).click();
    await line(ada, "Eve left").waitFor();
    link.close();
  },

  async oldestmissing() {
    const page = await open({ at: `${address}/old` });
    await page.getByText("npm install --prefix .demo --ignore-scripts socket.io-client-09@npm:socket.io-client@0.9.17").waitFor();
    assert.equal(await page.getByLabel("Nickname").isVisible(), false);
  },

  async refusal() {
    const [page, other] = [await open(), await open()];
    await page.getByLabel("Nickname").fill("\u202e");
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").getByText("Choose a nickname of 1 to 24 characters.").waitFor();
    await enter(page, "Ada");
    await other.getByLabel("Nickname").fill("ADA");
    await other.getByRole("button", { name: "Enter" }).click();
    await other.getByRole("alert").getByText("“ADA” is taken").waitFor();
    assert.equal(await other.evaluate(() => document.activeElement.id), "name");
    await enter(other, "Bob");
    await person(page, "Bob").waitFor();
  },

  async sizes() {
    const page = await open({ viewport: { width: 360, height: 640 }, colorScheme: "dark" });
    const tops = () => page.evaluate(() => [".brand", "#theme"].map((part) => {
      const { top, bottom } = document.querySelector(part).getBoundingClientRect();
      return Math.round((top + bottom) / 2);
    }));
    const fits = async () => {
      const { width } = page.viewportSize();
      const [wide, bottom] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.querySelector("#say").getBoundingClientRect().bottom,
      ]);
      assert.ok(wide <= width, `at ${width} pixels the page has ${wide}`);
      const surplus = await page.evaluate(() => [...document.querySelectorAll("#rooms button, #people li, #connections li, .bubble, #room-title")]
        .filter((part) => part.getBoundingClientRect().right > part.closest("nav, section").getBoundingClientRect().right)
        .map((part) => part.textContent));
      assert.deepEqual(surplus, [], `too wide at ${width} pixels`);
      assert.ok(bottom <= page.viewportSize().height, `the message field ends at ${bottom}`);
      return bottom;
    };
    await fits();
    await enter(page, "W".repeat(24), "M".repeat(24));
    for (let count = 1; count <= 9; count++) await say(page, `No. ${count}: ${"Donaudampfschiff".repeat(9)} and so on`);
    await tick(page, "No. 9: ", "The server has it; nobody else is here").waitFor();
    for (const width of [320, 360, 500, 704, 720, 1000, 1120, 1600]) {
      await page.setViewportSize({ width, height: 640 });
      const bottom = await fits();
      assert.ok(bottom >= 639, `at ${width} pixels the conversation ends at ${bottom}, above the window's end`);
      const [brand, theme] = await tops();
      assert.ok(Math.abs(brand - theme) <= 1, `at ${width} pixels the name and the colours stand in two rows`);
      assert.ok(await page.getByText(/^No. 9: /).isVisible());
    }

    await page.setViewportSize({ width: 360, height: 640 });
    const sides = page.getByRole("button", { name: "Rooms and people" });
    await sides.click();
    await room(page, /^Harbour/).waitFor();
    await fits();
    await page.keyboard.press("Escape");
    assert.equal(await room(page, /^Harbour/).isVisible(), false);
    assert.equal(await sides.evaluate((button) => button === document.activeElement), true);

    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await ground();
    await page.getByRole("button", { name: "Colours: as the system has them" }).click();
    await page.getByRole("button", { name: "Colours: light" }).waitFor();
    assert.notEqual(await ground(), dark);
    await page.getByRole("button", { name: "Colours: light" }).click();
    assert.equal(await ground(), dark);
    await page.reload();
    await page.getByRole("button", { name: "Colours: dark" }).waitFor();
  },

  async missing() {
    const page = await open();
    await page.getByRole("alert").getByText("npm install --prefix .demo socket.io-client@4.8.4").waitFor();
    await status(page, "No Socket.IO client");
    assert.equal(await page.getByLabel("Nickname").isVisible(), false);
  },
};

async function play({ scenario, ...servers }) {
  ({ address, second, pid } = servers);
  problems = [];
  try {
    await scenarios[scenario]();
    assert.deepEqual(problems, []);
    return null;
  } catch (failure) {
    return failure.stack;
  } finally {
    await Promise.all(browser.contexts().map((context) => context.close()));
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ error: await play(JSON.parse(line)) }));
}
await browser.close();
