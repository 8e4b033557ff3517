/* Clients 0.9.17, 2.5.0 and 4.8.4 over their transports, made alike: for applications of older libraries. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Client } from "./clients.mjs";

const require = createRequire(import.meta.url);
const io = require("socket.io-client-0.9");
assert.equal(io.version, "0.9.17");

/** A client of 0.9 with the face of the others. */
class Old {
  constructor(transport, at, query) {
    io.transports = [transport];
    const url = `http://127.0.0.1:${at}?${new URLSearchParams(query)}`;
    this.socket = io.connect(url, { "force new connection": true, reconnect: false });
  }
  of(name) {
    return this.socket.socket.of(name);
  }
  close() {
    this.socket.disconnect();
  }
}

/** A client of a later generation. */
class Modern extends Client {
  constructor(generation, transport, at, query) {
    super(at, { generation, transport, parser: "json" }, { query });
  }
}

export const KINDS = [
  ["0.9.17", "websocket", (at, query) => new Old("websocket", at, query)],
  ["0.9.17", "xhr-polling", (at, query) => new Old("xhr-polling", at, query)],
  ...["2.5.0", "4.8.4"].flatMap((generation) =>
    ["polling", "websocket", "upgrade"].map((transport) => [
      generation,
      transport,
      (at, query) => new Modern(generation, transport, at, query),
    ]),
  ),
];

export const TEXTS = ["plain", "é € 😀", "line\nfeed", "a:b:c+d", "\ufffd3\ufffd", "\u2028 \\ \" '", "</script>"];

/** Let each kind of client play all scenarios, all kinds at once; print a line of JSON for each result, and end. */
export async function play(scenarios) {
  const reported = await Promise.all(
    KINDS.map(async ([generation, transport, make]) => {
      const results = [];
      for (const [scenario, act] of Object.entries(scenarios)) {
        let error = null;
        try {
          (await act(make, generation))?.close();
        } catch (failure) {
          error = failure.stack;
        }
        results.push({ generation, transport, scenario, error });
      }
      return results;
    }),
  );
  for (const result of reported.flat()) console.log(JSON.stringify(result));
  process.exit();
}
