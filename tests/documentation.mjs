// The pages of the documentation in Chromium: node documentation.mjs CHROMIUM CLIENT_LIBRARY NAME ADDRESS_OF_THE_PAGE [FOREIGN_PAGE].
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(new URL("clients/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const [executablePath, library, name, address, foreign] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-quic", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath, args });

const PAGES = {
  async echo(page) {
    await page.locator("#text").fill("hello");
    await page.locator("#text").press("Enter");
    await page.getByText("You said: hello", { exact: true }).waitFor();
  },
  async prices(page) {
    const price = page.locator("#price");
    await page.waitForFunction(() => /^\d+(\.\d+)?$/.test(document.querySelector("#price").textContent));
    const before = await price.textContent();
    await page.waitForFunction((old) => document.querySelector("#price").textContent !== old, before);
    const questions = [];
    page.on("dialog", (dialog) => questions.push(dialog.message()) && dialog.accept());
    await page.locator("#buy").click();
    await page.getByText(/^3 ACME at \d/).waitFor();
    assert.match(questions.join(), /^3 ACME at \d+(\.\d+)?\?$/);
  },
  async login(page) {
    const logIn = async (password) => {
      await page.locator("[name=name]").fill("Ada");
      await page.locator("[name=password]").fill(password);
      await page.locator("button").click();
    };
    await logIn("milk");
    await logIn("tea"); // the form is there again
    const state = page.locator("#state");
    await state.getByText("connected", { exact: true }).waitFor();
    await page.locator("#text").fill("hello");
    await page.locator("#text").press("Enter");
    await page.getByText("Ada: hello", { exact: true }).waitFor();

    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.getByRole("button", { name: "Log out" }).click();
    await other.locator("[name=password]").waitFor();
    await state.getByText("io server disconnect", { exact: true }).waitFor();
    await page.evaluate("socket.connect()");
    await state.getByText("Please log in.", { exact: true }).waitFor();
  },

  // The page of a ConnectionManager and that of its successor: each reads what the other says.
  async moving(page) {
    const say = async (page, text, ...readers) => {
      for (const each of [page, ...readers]) await each.waitForFunction("ws.readyState === WebSocket.OPEN");
      await page.locator("#text").fill(text);
      await page.locator("#text").press("Enter");
      await page.getByText("sent", { exact: true }).last().waitFor();
      for (const reader of [page, ...readers]) await reader.getByText(`Ada: ${text}`, { exact: true }).waitFor();
    };
    const old = await page.context().newPage();
    await old.goto(`${address}/old`);
    await say(page, "from the new page", old);
    await say(old, "from the old page", page);
    await old.close();
    await page.getByText("Ada has left", { exact: true }).waitFor();
  },

  // Another window opens, and then a page from another origin.
  async readme(page) {
    await page.waitForFunction("socket.connected");
    for (const [url, text] of [[address, "said: hello."], [foreign, "said: hello. said: hello."]]) {
      const other = await page.context().newPage();
      await other.goto(url);
      await page.getByText(text, { exact: true }).waitFor();
    }
  },
};

try {
  const context = await browser.newContext();
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  await context.route("https://cdn.socket.io/4.8.4/socket.io.min.js", (route) => route.fulfill({ path: library }));
  await page.goto(address);
  await PAGES[name](page);
  assert.deepEqual(problems, []);
} finally {
  await browser.close();
}
