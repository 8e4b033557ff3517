/* gevent_pages.mjs CHROMIUM '{"simple_chat": "http://...", ...}' [CLIENT]: uses the pages of examples/gevent_socketio with the
   client that they serve, or with the file of another one; a line of JSON for each. */
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [executablePath, addresses, client] = process.argv.slice(2);
const WATCHDOG_MS = 15_000;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic", "--disable-background-networking"] });

const log = (page) => page.locator("#log li").allTextContents();

/** Wait until the log has a line, which a pattern matches. */
async function until(page, pattern) {
  await page.waitForFunction((source) => [...document.querySelectorAll("#log li")].some((line) => new RegExp(source).test(line.textContent)), pattern.source ?? `^${pattern}$`);
}
async function write(page, form, text) {
  const field = page.locator(`#${form} input:not([type=hidden])`);
  await field.fill(text);
  await field.press("Enter");
}
const connected = (page) => page.waitForSelector("body.connected");

/** Let two pages chat; return the second. */
async function chat(page, address, open) {
  const other = await open(address);
  const [ada, bob] = [`Ada ${Date.now()}`, `Bob ${Date.now()}`];
  for (const [each, name] of [[page, ada], [other, bob]]) {
    await connected(each);
    await write(each, "enter", name);
    await each.waitForSelector("#say:not([hidden])");
  }
  await until(page, `${bob} has come`);
  await page.waitForFunction((names) => document.getElementById("nicknames").value.endsWith(names), `${ada}, ${bob}`);
  await write(other, "say", "hello 😀");
  for (const each of [page, other]) await until(each, `${bob}: hello 😀`);
  const third = await open(address);
  await connected(third);
  await write(third, "enter", ada);
  await third.waitForSelector("#taken:not([hidden])");
  for (const each of [third, other]) await each.goto("about:blank"); // which they tell, unlike pages that are closed
  await until(page, `${bob} has left`);
}

async function rooms(page, address, open) {
  await write(page, "create", "a room");
  await page.waitForURL("**/room/a%20room");
  await chat(page, page.url(), open);
  await page.goto(address);
  await page.click("text=a room");
  await page.waitForURL("**/room/a%20room");
}

async function talk(page, address, open) {
  await connected(page);
  const other = await open(address);
  await connected(other);
  await write(other, "say", "hello 😀");
  for (const each of [page, other]) await until(each, /hello 😀$/);
}

const scenarios = {
  simple_chat: chat,
  flask_chat: rooms,
  django_chat: rooms,
  redis_chat: talk,
  simple_pyramid_chat: talk,

  async redis_chat_persistence(page, address, open) {
    await talk(page, address, open);
    await until(await open(address), /hello 😀$/); // who comes later
  },

  async cross_origin(page) {
    await connected(page);
    await write(page, "hello", "Ada");
    await until(page, /^Greetings to Ada from localhost:\d+$/);
    assert.ok(!(await log(page))[0].endsWith(new URL(page.url()).port));
  },

  async live_cpu_graph(page) {
    await page.waitForFunction(() => /^\d+\.\d %$/.test(document.getElementById("percent").value));
    await page.waitForFunction(() => {
      const canvas = document.getElementById("graph");
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
    });
  },

  async twitterstream(page) {
    await until(page, /^@user\d: Tweet number \d+$/);
  },

  async testapp(page, address, open) {
    const other = await open(address);
    for (const each of [page, other]) await connected(each);
    const press = (name) => page.getByRole("button", { name, exact: true }).first().click();
    for (const [name, ...lines] of [
      ["chat", 'bob {"hello":"world"}', /^you_just_connected \{"sessid":".+"\}$/, /^load [\d.]+$/],
      ["json", 'got_some_json {"a":\\[1,2\\]}'],
      ["my_callback", /^acknowledged .*\["argument"\]$/],
      ["bob", 'broadcasted \\[1,"two"\\]', "/chat bob"],
      ["mymessage", '/chat message "a message back: hello"', '/chat message {"a":"value"}', /^\/chat pack /],
      ["trigger_server_callback", '/chat answered "hello" "answered by the page"'],
      ["unknown", /^Error: The method "on_unknown" was not found$/],
    ]) {
      await press(name);
      for (const line of lines) await until(page, line);
    }
    await other.getByRole("button", { name: "my_callback" }).click(); // now it is in /chat, also with a client of 0.9
    await until(other, /^acknowledged/);
    await press("rtc_invite");
    await until(other, /^\/chat rtc_invite .*"sdp":"an offer"/);
    await press("disconnect_me");
    await until(page, '/chat goodbye "as asked"');
    await until(page, /^\/chat disconnect/);
  },
};

for (const [name, address] of Object.entries(JSON.parse(addresses))) {
  const problems = [];
  const pages = [];
  const open = async (url) => {
    const context = await browser.newContext(); // a window for each page: what is in the background is throttled
    context.setDefaultTimeout(WATCHDOG_MS);
    const page = await context.newPage();
    pages.push(page);
    page.on("pageerror", (error) => problems.push(String(error)));
    if (client) await page.route("**/static/socket.io.js", (route) => route.fulfill({ path: client }));
    await page.goto(url);
    return page;
  };
  let error = null;
  try {
    await scenarios[name](await open(address), address, open);
    assert.deepEqual(problems, []);
  } catch (caught) {
    const logs = await Promise.all(pages.map((page) => log(page).catch(() => [])));
    error = [caught.stack, ...problems, ...logs.flat()].join("\n");
  }
  console.log(JSON.stringify({ name, error }));
  for (const page of pages) await page.context().close();
}
await browser.close();
