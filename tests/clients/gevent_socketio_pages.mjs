/* gevent_socketio_pages.mjs PORT CHROMIUM: the browser build of 0.9.17 over each of its transports; a line of JSON for each. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [port, executablePath] = process.argv.slice(2);
const LIBRARY = readFileSync(new URL("node_modules/socket.io-client-0.9/dist/socket.io.js", import.meta.url), "utf8");
const TEXTS = ["plain", "é € 😀", `"double" 'single'`, "line\nfeed \\n", "\u2028 \u2029", "</script><script>alert(1)</script>"];
const WATCHDOG_MS = 30_000;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic"] });

/** Let a page of the server's origin talk over a transport, and return what it has seen. */
async function talk(page, transport) {
  await page.goto(`http://localhost:${port}/page`);
  await page.addScriptTag({ content: LIBRARY });
  return page.evaluate(async ([transport, texts]) => {
    if (transport === "htmlfile") {
      // what Internet Explorer has: a document without a window, in which a frame loads what the server writes
      window.CollectGarbage = () => {};
      window.ActiveXObject = function () {
        const frame = document.body.appendChild(document.createElement("iframe"));
        Object.defineProperty(frame.contentDocument, "parentWindow", { get: () => frame.contentWindow });
        return frame.contentDocument;
      };
    }
    io.transports = [transport];
    const socket = io.connect("", { "force new connection": true, reconnect: false });
    const once = (emitter, event) => new Promise((done) => emitter.once(event, (...args) => done(args)));
    const ask = (emitter, event, ...args) => new Promise((done) => emitter.emit(event, ...args, (...values) => done(values)));
    await once(socket, "connect");
    const seen = { over: socket.socket.transport.name, echoes: [] };
    for (const text of texts) {
      const echo = once(socket, "message");
      socket.send(text);
      seen.echoes.push((await echo)[0]);
    }
    socket.on("question", (text, answer) => answer(`${text}!`));
    const answered = once(socket, "answered");
    socket.emit("question", texts[2]);
    seen.answered = await answered;
    const chat = socket.socket.of("/chat");
    seen.connected = await once(chat, "connected");
    const said = once(chat, "said");
    chat.emit("user message", texts.join());
    seen.said = await said;
    seen.acknowledged = await ask(chat, "by hand", texts);
    const left = once(socket, "disconnect");
    socket.disconnect();
    seen.left = await left;
    return seen;
  }, [transport, TEXTS]);
}

for (const transport of ["websocket", "xhr-polling", "jsonp-polling", "htmlfile"]) {
  const page = await browser.newPage();
  page.setDefaultTimeout(WATCHDOG_MS);
  const problems = [];
  page.on("pageerror", (problem) => problems.push(String(problem)));
  page.on("dialog", (dialog) => problems.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
  let error = null;
  try {
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("the page is not ready")), WATCHDOG_MS));
    assert.deepEqual(await Promise.race([talk(page, transport), late]), {
      over: transport,
      echoes: TEXTS,
      answered: [`${TEXTS[2]}!`],
      connected: ["/chat"],
      said: [TEXTS.join()],
      acknowledged: [TEXTS, "later"],
      left: ["booted"],
    });
    assert.deepEqual(problems, []);
  } catch (failure) {
    error = `${failure.stack}\n${problems.join("\n")}`;
  }
  console.log(JSON.stringify({ generation: "0.9.17", transport, scenario: "a page", error }));
  await page.close();
}
await browser.close();
process.exit();
