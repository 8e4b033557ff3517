/* The EventSources and WebSockets under test, in Node and in Chromium, all with the same few words.

A WebSocket is read by the code of docs/websocket.md. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const page = readFileSync(new URL("../../docs/websocket.md", import.meta.url), "utf8");
const [follow] = page.match(/(?<=^```js\n)let last = .*?(?=^```$)/ms);
const file = (name) => readFileSync(new URL(`node_modules/${name}`, import.meta.url), "utf8");

/** Start to read in this realm: what has come is in `events`. It runs in a page, too, so that it uses nothing of here. */
function start(kind, url, { closesAtEnd = false, headers, withCredentials = false } = {}) {
  const reader = { events: [], errors: [], isOver: () => false };
  const names = ["message", "stream-open", "stream-reset", "stream-end", "named"];
  const come = (type, data, id) => {
    reader.events.push([type, data, id]);
  };
  if (kind === "fetch-event-source") {
    const controller = new AbortController();
    let over = false;
    const { fetchEventSource } = globalThis.readers;
    const done = fetchEventSource(url, {
      signal: controller.signal,
      openWhenHidden: true,
      headers: { ...headers },
      credentials: withCredentials ? "include" : "same-origin",
      onmessage(event) {
        come(event.event || "message", event.data, event.id);
        if (closesAtEnd && event.event === "stream-end") controller.abort();
      },
      onerror: (error) => void reader.errors.push(String(error)),
    });
    done.then(() => (over = true));
    reader.isOver = () => over;
    reader.close = () => controller.abort();
    return reader;
  }
  if (kind === "WebSocket") {
    let socket;
    const Socket = function (address) {
      const { WebSocket } = globalThis.readers;
      socket = new WebSocket(address.replace("wss://example.com/prices", url.replace("http", "ws")), "waterspout.json.v1");
      socket.onopen = () => socket.protocol === "waterspout.json.v1" || reader.errors.push(`subprotocol ${socket.protocol}`);
      socket.onerror = () => {}; // the close comes behind it
      socket.addEventListener("close", ({ code }) => code === 1000 && (reader.isOver = () => true));
      return socket;
    };
    const handle = ({ event, data, id }) => come(event, JSON.stringify(data), id);
    const soon = (act) => setTimeout(act, 20);
    new Function("WebSocket", "handle", "setTimeout", globalThis.readers.follow)(Socket, handle, soon);
    reader.close = () => {
      socket.onclose = null;
      socket.close();
    };
    return reader;
  }
  const Kind = globalThis.readers[kind];
  const source = new Kind(url, { withCredentials, ...(headers && { headers }) });
  for (const name of names) source.addEventListener(name, (event) => come(name, event.data, event.lastEventId));
  source.addEventListener("error", (event) => reader.errors.push(String(event.message ?? event.type)));
  if (closesAtEnd) source.addEventListener("stream-end", () => source.close());
  reader.isOver = () => source.readyState === 2;
  reader.close = () => source.close();
  return reader;
}

export const IN_NODE = ["eventsource 3", "eventsource 4", "event-source-polyfill"]; // fetch-event-source is for pages
export const IN_CHROMIUM = ["EventSource", "event-source-polyfill", "fetch-event-source"];

/** Begin to read in Node. */
export function readInNode(kind, url, options) {
  if (!globalThis.readers) {
    globalThis.readers = {
      "eventsource 3": require("eventsource-3").EventSource,
      "eventsource 4": require("eventsource-4").EventSource,
      "event-source-polyfill": require("event-source-polyfill").EventSourcePolyfill,
      WebSocket: require("ws"),
      follow,
    };
  }
  const reader = start(kind, url, options);
  const state = async () => ({ events: reader.events, errors: reader.errors, isOver: reader.isOver() });
  return { state, close: async () => reader.close() };
}

const wrapped = (name) => `((exports, require) => {${file(`@microsoft/fetch-event-source/lib/cjs/${name}.js`)}\n})`;
const LIBRARIES = `
  ((module, exports) => {${file("event-source-polyfill/src/eventsource.js")}\nwindow.polyfill = module.exports;})(...((e) => [{ exports: e }, e])({}));
  const parse = {}, fetching = {};
  ${wrapped("parse")}(parse);
  ${wrapped("fetch")}(fetching, () => parse);
  window.readers = { EventSource, WebSocket, follow: ${JSON.stringify(follow)}, "event-source-polyfill": polyfill.EventSourcePolyfill, fetchEventSource: fetching.fetchEventSource };
  window.start = ${start};
  window.all = [];
`;

/** Prepare a page of this address, and return what begins to read in it. */
export async function readersInPage(browser, address) {
  const page = await browser.newPage();
  await page.goto(address);
  await page.evaluate(LIBRARIES);
  return async (kind, url, options) => {
    const number = await page.evaluate(([kind, url, options]) => all.push(start(kind, url, options)) - 1, [kind, url, options]);
    const state = () =>
      page.evaluate((number) => ({ events: all[number].events, errors: all[number].errors, isOver: all[number].isOver() }), number);
    return { state, close: () => page.evaluate((number) => all[number].close(), number) };
  };
}
