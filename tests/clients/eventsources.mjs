/* eventsources.mjs CHROMIUM SERVER SCENARIO...: real EventSources and a server, whose command is a list in JSON; a line of JSON for each result. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { Cutter } from "./cutter.mjs";
import { IN_CHROMIUM, IN_NODE, readersInPage, readInNode } from "./readers.mjs";
import { SUBSCRIBERS } from "./subscribers.mjs";

const [executablePath, program, ...wanted] = process.argv.slice(2);
const [python, ...command] = JSON.parse(program);
const WATCHDOG_MS = 30_000;
const STEP_MS = 25;

let server;
async function startServer(port) {
  server = spawn(python, [...command, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface(server.stdout), "line");
  return Number(line);
}

async function stopServer() {
  server.kill("SIGTERM");
  const [code] = await once(server, "exit");
  assert.equal(code, 0);
}

const port = await startServer(0);
process.on("exit", () => server.kill());

async function tell(what, name, values) {
  const answer = await fetch(`http://127.0.0.1:${port}/do/${what}/${name}`, { method: "POST", body: JSON.stringify(values ?? null) });
  assert.equal(answer.status, 200);
  return answer.text();
}

/** Wait until the condition holds, and return what it returns. */
async function until(condition, what) {
  for (const end = performance.now() + WATCHDOG_MS; performance.now() < end; ) {
    const value = await condition();
    if (value) return value;
    await new Promise((later) => setTimeout(later, STEP_MS));
  }
  throw new Error(`no ${what()}`);
}

const pages = http.createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><body>"));
await new Promise((listening) => pages.listen(0, listening));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic", "--disable-background-networking"] });
const read = await readersInPage(browser, `http://localhost:${pages.address().port}/`);
const readForeign = await readersInPage(browser, `http://127.0.0.1:${pages.address().port}/`);

const inNode = (kind) => ({ kind, where: "Node", open: async (url, options) => readInNode(kind, url, options) });
const inChromium = (kind) => ({ kind, where: "Chromium", open: (url, options) => read(kind, url, options) });
const KINDS = [...IN_NODE.map(inNode), ...IN_CHROMIUM.map(inChromium)];
const EVERYBODY = [...KINDS, inNode("WebSocket"), inChromium("WebSocket"), ...SUBSCRIBERS(python)];

/** What does not stop at 204: in Node, the polyfill fails at an answer without a body. */
const asksOn = ({ kind, where }) => kind === "fetch-event-source" || (kind === "event-source-polyfill" && where === "Node");
const numbers = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);
const values = (events) => events.filter(([type]) => type === "message").map(([, data]) => JSON.parse(data));
const types = (events) => events.map(([type]) => type);
const ours = (events, name) => events.filter(([type]) => type === name).map(([, data]) => JSON.parse(data));

/** How many requests bear the id of the end. */
const askedAfterTheEnd = ({ cutter }, events) => cutter.requests.filter(({ lastId }) => lastId === ours(events, "stream-end")[0].id).length;

/** A client on its own cable, and what a scenario does with it. */
async function attach({ open, kind, where }, name, path, options) {
  const cutter = await Cutter.to(port);
  let reader = null;
  return {
    name,
    kind,
    where,
    cutter,
    begin: async (target = path) => (reader = await open(`http://127.0.0.1:${cutter.port}${target}`, options)),
    state: () => reader.state(),
    /** Wait until what has come is such, and return it. */
    seen: (condition, what) => {
      let last;
      return until(
        async () => condition((last = await reader.state())) && last,
        () => `${what}: ${JSON.stringify(last).slice(-1000)}, requests ${JSON.stringify(cutter.requests)}`,
      );
    },
    close: async () => {
      await reader?.close();
      cutter.close();
    },
  };
}

const SCENARIOS = {
  async "an end"(client) {
    await tell("values", client.name, [1]);
    await client.begin(`/s/${client.name}`);
    await client.seen(({ events }) => values(events).length === 1, "the first");
    await tell("end", client.name, "bye");
    const { events } = await client.seen(({ events }) => ours(events, "stream-end").length, "end");
    assert.equal(ours(events, "stream-end")[0].data, "bye");
    if (asksOn(client) && client.kind === "event-source-polyfill") await client.seen(() => client.cutter.requests.length >= 4, "questions on and on");
    else {
      await client.seen(({ isOver }) => isOver, "end of the client");
      // A complete answer is the end for one of them, the others ask once more and get 204.
      assert.equal(client.cutter.requests.length, client.kind === "fetch-event-source" ? 1 : 2);
    }
    assert.deepEqual(types((await client.state()).events).filter((type) => type === "stream-end"), ["stream-end"]);
  },
  async "an end that is cut off before it is complete"(client) {
    client.cutter.cuts = Array(5).fill("last chunk");
    await tell("values", client.name, [1]);
    await tell("end", client.name);
    await client.begin(`/s/${client.name}`);
    const { events } = await client.seen(({ events }) => ours(events, "stream-end").length, "end");
    client.cutter.cut();
    client.cutter.mend();
    if (asksOn(client)) return void (await client.seen(() => askedAfterTheEnd(client, events) >= 3, "questions on and on"));
    await client.seen(({ isOver }) => isOver, "end of the client");
    assert.ok(askedAfterTheEnd(client, events)); // Chromium may repeat a request of its own accord
  },
  async "an end at which the page closes"(client) {
    client.cutter.cuts = Array(5).fill("last chunk");
    await tell("values", client.name, [1]);
    await tell("end", client.name);
    await client.begin(`/s/${client.name}`);
    const { events } = await client.seen(({ isOver }) => isOver, "end of the client");
    assert.equal(askedAfterTheEnd(client, events), 0);
  },
  async "two thousand tokens"(client) {
    await client.begin(`/s/${client.name}`);
    await client.seen(({ events }) => events.length, "the stream");
    const kinds = ["tok", " en", "", "é€", "😀👩‍👩‍👧", "a\nb", "\n", "a\r\nb", "a\rb\n", "  two spaces", ": no comment", "data: x", "\u2028\u0085\ufeff", "\n\nlist\n", "id: 7\n\nevent: x"];
    const tokens = numbers(0, 2000).map((number) => kinds[number % kinds.length]);
    for (let from = 0; from < 2000; from += 500) await tell("texts", client.name, tokens.slice(from, from + 500));
    await tell("end", client.name);
    const { events } = await client.seen(({ events }) => types(events).includes("stream-end"), "end");
    const got = events.filter(([type]) => type === "message").map(([, data]) => data);
    let expected = tokens.map((token) => token.replaceAll(/\r\n?/g, "\n"));
    // It takes an empty first line for none.
    if (client.kind === "fetch-event-source") expected = expected.map((token) => token.replace(/^\n+/, ""));
    assert.deepEqual(got, expected);
    await client.close();
  },
  async "a refusal"(client) {
    await client.begin(`/guarded/${client.name}`);
    if (client.kind === "fetch-event-source") return void (await client.seen(() => client.cutter.requests.length > 1, "question again"));
    const { events } = await client.seen(({ isOver }) => isOver, "end of the client");
    assert.deepEqual(events, []);
    assert.equal(client.cutter.requests.length, 1);
  },
  async "two channels in one connection"(client) {
    client.cutter.cuts = [1, 2, 4];
    for (const number of numbers(0, 6)) await tell("values", `${client.name} ${"ab"[number % 2]}`, [number]);
    await client.begin(`/both/${client.name}`);
    await client.seen(({ events }) => values(events).length >= 6, "six");
    client.cutter.cut();
    for (const number of numbers(6, 12)) await tell("values", `${client.name} ${"ab"[number % 2]}`, [number]);
    client.cutter.mend();
    const { events } = await client.seen(({ events }) => values(events).length >= 12, "twelve");
    for (const [half, letter] of ["a", "b"].entries()) {
      const one = values(events).filter(({ channel }) => channel === `${client.name} ${letter}`);
      assert.deepEqual(one.map(({ data }) => data), numbers(0, 12).filter((number) => number % 2 === half));
    }
  },
};

const numbered = (from, to) => numbers(from, to).map((n) => ({ n }));

/** All have got this and nothing else, with the same ids. */
function gotOnce(each, from, to) {
  let ids = null;
  return each(async ({ state }) => {
    const { events } = await state();
    const theirs = events.filter(([type]) => type === "message").map(([, , id]) => id);
    assert.deepEqual(values(events), numbered(from, to));
    assert.deepEqual(theirs, (ids ??= theirs));
    assert.deepEqual(ours(events, "stream-reset"), []);
  });
}

/** Numbers below 1 that look random, and are the same on each run. */
function* random(seed) {
  for (;;) yield ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0), seed / 2 ** 32);
}

/** All clients read one channel at the same time. What fails for one of them is told, and does not hold up the others. */
const TOGETHER = {
  async "one publish for everybody, whatever is cut"(each, name) {
    const channel = `new/${name}`;
    const publish = (from, to) => tell("values", channel, numbered(from, to));
    const have = (count) => each(({ seen }) => seen(({ events }) => values(events).length >= count, `${count} of them`));
    await publish(0, 3); // before anybody is there
    await each(({ begin }) => begin(`/${channel}`));
    await each(({ seen }) => seen(({ events }) => types(events).includes("stream-open"), "beginning"));
    await each(({ cutter }) => cutter.cut()); // before the first
    await publish(3, 13);
    await each(({ cutter }) => {
      Object.assign(cutter, { mark: '{"n":', cuts: [1, 3, 2, 4] }); // in the middle of events
      cutter.mend();
    });
    await have(10);
    for (const number of numbers(13, 23)) await publish(number, number + 1);
    await have(20);
    await each(({ cutter }) => cutter.cut());
    await publish(23, 28);
    await each(({ cutter }) => cutter.mend());
    await have(25);
    await tell("end", channel, "bye");
    await each(({ seen }) => seen(({ events }) => types(events).includes("stream-end"), "end"));
    await gotOnce(each, 3, 28);
    await each(async (client) => {
      const stops = client.where !== "websocket" && client.where !== "polling" && !asksOn(client);
      const { events, errors } = await client.seen(({ isOver }) => isOver || !stops, "end of the client");
      assert.deepEqual(ours(events, "stream-end").map(({ data }) => data), ["bye"]);
      assert.deepEqual(client.cutter.cuts, []);
      if (client.kind === "WebSocket") assert.deepEqual(errors, []);
    });
  },
  async "one publish for everybody, cut anywhere"(each, name) {
    const channel = `new/${name}`;
    const places = random(1);
    const cuts = (count) => numbers(0, count).map(() => ({ bytes: Math.floor(places.next().value * 700) }));
    let count = 0;
    let left = 1;
    await each(({ begin }) => begin(`/${channel}`));
    await each(({ seen }) => seen(({ events }) => types(events).includes("stream-open"), "beginning"));
    await each(({ cutter, kind }) => {
      cutter.cuts = cuts(kind === "event-source-polyfill" ? 6 : 20); // it waits for a second after each
      if (kind === "fetch-event-source") cutter.spares = /\nid: .*\n$/; // it takes an id before its event is complete
    });
    while (left > 0 && count < 2000) {
      await tell("values", channel, numbered(count, (count += 5)));
      await each(({ seen }) => seen(({ events }) => values(events).length >= count, `${count} of them`));
      left = 0;
      await each(({ cutter }) => (left += cutter.cuts.length));
    }
    await gotOnce(each, 0, count);
    assert.equal(left, 0);
  },
  async "an id that is too old is told to everybody"(each, name) {
    const channel = `small/${name}`;
    await tell("values", channel, [0]);
    await each(({ begin }) => begin(`/${channel}`));
    await each(({ seen }) => seen(({ events }) => values(events).length === 1, "the first"));
    await each(({ cutter }) => cutter.cut());
    await tell("values", channel, numbers(1, 20));
    await each(({ cutter }) => {
      Object.assign(cutter, { mark: "stream-", cuts: [1, 2] }); // in the middle of what opens, and of the reset
      cutter.mend();
    });
    await each(({ seen }) => seen(({ events }) => types(events).includes("stream-reset"), "reset"));
    await tell("values", channel, [20]);
    await each(async ({ seen }) => {
      const { events } = await seen(({ events }) => values(events).includes(20), "the next");
      assert.deepEqual(ours(events, "stream-reset").map(({ reason }) => reason), ["expired"]);
      const all = values(events);
      assert.deepEqual(all, [0, ...numbers(all[1], 21)]);
    });
  },
};

async function together(scenario, act) {
  const name = fresh();
  const members = await Promise.all(EVERYBODY.map(async (kind) => ({ kind, client: await attach(kind, name, ""), error: null })));
  const each = (step) =>
    Promise.all(
      members.map(async (member) => {
        if (member.error) return;
        try {
          await step(member.client);
        } catch (failure) {
          member.error = failure.stack;
        }
      }),
    );
  await act(each, name);
  for (const { kind, error } of members) report(kind, scenario, error);
  await Promise.allSettled(members.map(({ client }) => client.close()));
}

/** The process ends and another takes its place: all clients at once. */
async function restart(client) {
  client.cutter.soon = false;
  await tell("values", client.name, [1]);
  await client.begin(`/s/${client.name}`);
  await client.seen(({ events }) => values(events).length === 1, "the first");
}

async function restarted(client) {
  const { events } = await client.seen(({ events }) => ours(events, "stream-reset").length, "reset");
  assert.deepEqual(ours(events, "stream-reset").map(({ reason }) => reason), ["epoch"]);
  await tell("values", client.name, [2]);
  const after = await client.seen(({ events }) => values(events).length === 2, "the next");
  assert.deepEqual(values(after.events), [1, 2]);
  assert.deepEqual(types(after.events).filter((type) => !["message", "stream-open", "stream-reset"].includes(type)), []);
  assert.deepEqual(after.events.filter(([, data]) => data === ""), [], "what tells it to come back is no message");
  const [opened, ended] = client.cutter.retries; // Chromium may drop what comes at once before an incomplete end
  assert.ok([opened, ended].every(({ retry }) => retry >= 1000 && retry < 5000));
  const retry = client.where === "Chromium" ? Math.min(opened.retry, ended.retry) : ended.retry;
  const waited = client.cutter.requests[1].at - ended.at;
  assert.ok(waited > retry - 50, `came back after ${waited}, told ${opened.retry} and ${ended.retry}`);
}

const FOREIGN = {
  async "a page of another origin, with its credentials"({ kind }, name) {
    await tell("values", name, [1, 2]);
    const native = kind === "EventSource";
    const cutter = await Cutter.to(port);
    const headers = native ? undefined : { Authorization: "Bearer me" };
    const reader = await read(kind, `http://127.0.0.1:${cutter.port}/${native ? "s" : "guarded"}/${name}`, { withCredentials: true, headers });
    const come = async (count) => {
      const { events } = await reader.state();
      return values(events).length === count && values(events);
    };
    await until(() => come(2), () => "two");
    cutter.cut();
    await tell("values", name, [3]);
    cutter.mend();
    assert.deepEqual(await until(() => come(3), () => "three"), [1, 2, 3]);
    assert.equal(cutter.requests.some(({ method }) => method === "OPTIONS"), !native);
    assert.ok(cutter.requests.at(-1).lastId);
    await reader.close();
    cutter.close();
  },
  async "a page of a foreign origin"({ kind }, name) {
    await tell("values", name, [1]);
    const cutter = await Cutter.to(port);
    const reader = await readForeign(kind, `http://localhost:${cutter.port}/s/${name}`, {});
    const seen = await until(async () => (await reader.state()).errors.length && reader.state(), () => "error");
    assert.deepEqual(seen.events, []);
    await reader.close();
    cutter.close();
  },
};

function report({ kind, where }, scenario, error) {
  console.log(JSON.stringify({ generation: kind, transport: where, scenario, error }));
}

async function attempt(kind, scenario, act) {
  let error = null;
  try {
    await act();
  } catch (failure) {
    error = failure.stack;
  }
  report(kind, scenario, error);
}

const wants = (scenario) => !wanted.length || wanted.includes(scenario);
let count = 0;
const fresh = () => `n${(count += 1)}`;
console.error = () => {}; // the polyfill's

for (const [scenario, act] of Object.entries(SCENARIOS)) {
  if (!wants(scenario)) continue;
  const options = { closesAtEnd: scenario === "an end at which the page closes" };
  await Promise.all(
    KINDS.map((kind) =>
      attempt(kind, scenario, async () => {
        const client = await attach(kind, fresh(), "", options);
        try {
          await act(client);
        } finally {
          await client.close();
        }
      }),
    ),
  );
}
await Promise.all(Object.entries(TOGETHER).map(([scenario, act]) => wants(scenario) && together(scenario, act)));
for (const [scenario, act] of Object.entries(FOREIGN)) {
  if (!wants(scenario)) continue;
  await Promise.all(KINDS.filter(({ where }) => where === "Chromium").map((kind) => attempt(kind, scenario, () => act(kind, fresh()))));
}
if (wants("another process")) {
  const clients = await Promise.all(KINDS.map(async (kind) => [kind, await attach(kind, fresh(), "")]));
  await Promise.all(clients.map(([, client]) => restart(client)));
  await stopServer();
  await startServer(port);
  await Promise.all(clients.map(([kind, client]) => attempt(kind, "another process", () => restarted(client))));
  await Promise.all(clients.map(([, client]) => client.close()));
}
await browser.close();
await stopServer();
process.exit();
