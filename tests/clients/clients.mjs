/* The official clients, each generation over each transport, behind one face. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

// What a namespace is told goes into its query on Engine.IO 3, and a refusal is one value, for `error`.
// On Engine.IO 4 it is the `auth`, and a refusal is an Error with message and data, for `connect_error`.
const ENGINE_3 = {
  engine: 3,
  telling: (values) => ({ query: new URLSearchParams(values).toString() }),
  refused: "error",
  refusal: (message, data) => data ?? message,
};
const ENGINE_4 = {
  engine: 4,
  telling: (values) => ({ auth: values }),
  refused: "connect_error",
  refusal: (message, data) => ({ message, data }),
};

const GENERATIONS = {
  "1.7.4": { package: "socket.io-client-1", ...ENGINE_3 },
  "2.5.0": { package: "socket.io-client-2", ...ENGINE_3 },
  "3.1.3": { package: "socket.io-client-3", ...ENGINE_4 },
  "4.8.4": { package: "socket.io-client-4", ...ENGINE_4 },
};

// What each parser is called, and what is different with it; version 2.2.1 of msgpack takes a text as a refusal only.
const PARSERS = {
  json: { "1.7.4": {}, "2.5.0": {}, "3.1.3": {}, "4.8.4": {} },
  msgpack: {
    "2.5.0": { parser: "socket.io-msgpack-parser-2", refusal: (message) => message },
    "3.1.3": { parser: "socket.io-msgpack-parser-3" },
    "4.8.4": { parser: "socket.io-msgpack-parser-3" },
  },
};

const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

/** The clients that have a parser, twelve of them for json: a generation and a transport each. */
export const kinds = (parser) =>
  Object.keys(PARSERS[parser]).flatMap((generation) =>
    Object.keys(TRANSPORTS).map((transport) => ({ generation, transport, parser })),
  );

const WATCHDOG_SECONDS = 30; // more than ten times what the slowest scenario takes, all twelve clients at once

/** Settle as the promise does, or fail with a sentence that names what was waited for. */
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    const bark = () => reject(new Error(`${what} did not come within ${WATCHDOG_SECONDS} s`));
    timer = setTimeout(bark, WATCHDOG_SECONDS * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Keep what an emitter emits as `event` from now on: `next()` awaits one after the other, `all` has everything. */
export function listen(emitter, event) {
  const all = [];
  let taken = 0;
  let arrived = () => {};
  emitter.on(event, (...args) => {
    all.push(args.map(plain));
    arrived();
  });
  async function next() {
    while (taken === all.length) await within(new Promise((resolve) => (arrived = resolve)), `"${event}"`);
    return all[taken++];
  }
  return { all, next };
}

/** The same value with every kind of binary as a Buffer. */
export function plain(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || value instanceof Error || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

/** Emit, and await the arguments of the acknowledgement. */
export function request(socket, event, ...args) {
  const answer = new Promise((resolve) => socket.emit(event, ...args, (...values) => resolve(values.map(plain))));
  return within(answer, `the acknowledgement of "${event}"`);
}

/** An Error as the two things a refusal carries; the older generations have the value itself. */
export function described(error) {
  return error instanceof Error ? { message: error.message, data: error.data } : error;
}

export class Client {
  /** Connect to "/" at once; `query` goes into the handshake beside the name, `options` to the library. */
  constructor(port, { generation, transport, parser }, { name, query = {}, ...options } = {}) {
    this.row = { ...GENERATIONS[generation], ...PARSERS[parser][generation] };
    this.transport = transport;
    this.parser = parser;
    this.name = name ?? `${generation} ${transport}`;
    this.socket = library(generation)(`http://127.0.0.1:${port}`, {
      forceNew: true,
      transports: TRANSPORTS[transport],
      reconnection: false,
      query: { name: this.name, ...query },
      ...(this.row.parser && { parser: require(this.row.parser) }),
      ...options,
    });
    this.manager = this.socket.io;
    this.connects = listen(this.socket, "connect");
    this.disconnects = listen(this.socket, "disconnect");
    this.refusals = listen(this.socket, this.row.refused);
  }

  get engine() {
    return this.manager.engine;
  }

  /** Await the connection, over the transport that is meant to be reached. */
  async connected() {
    await this.connects.next();
    if (this.transport === "upgrade") await this.upgraded();
    return this;
  }

  async upgraded() {
    const upgraded = new Promise((resolve) => this.engine.on("upgrade", resolve));
    if (this.engine.transport.name === "polling") await within(upgraded, "the upgrade");
  }

  /** Open another namespace over the same connection, and tell it some values in the generation's own way. */
  of(namespace, values = {}) {
    return this.manager.socket(namespace, this.row.telling(values));
  }

  close() {
    this.manager.reconnection(false);
    this.manager.engine?.close();
    this.socket.disconnect();
  }
}

/** Connect a client of 0.9.17; its options bear their names in words. */
export function connectOldest(port, transports, { query = "", ...options } = {}) {
  const io = require("socket.io-client-0.9");
  if (io.version !== "0.9.17") throw new Error(`this is ${io.version}`);
  io.transports = transports; // the option of this name is mixed with what is there
  return io.connect(`http://127.0.0.1:${port}${query && `?${query}`}`, { "force new connection": true, reconnect: false, ...options });
}

function library(generation) {
  const name = GENERATIONS[generation].package;
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url)));
  if (version !== generation) throw new Error(`${name} is ${version}, not ${generation}; run npm ci in tests/clients`);
  const exported = require(name);
  return exported.io ?? exported;
}
