/* A proxy that cuts event streams where it is told: in the middle of an event, by a reset of the TCP connection. */
import { connect, createServer } from "node:net";
import { once } from "node:events";

const SOON = "a\r\nretry: 20\n\r\n"; // a chunk: the standard's own way to have clients come back soon
const RETRY = /^retry: (\d{4})$/gm;
const LAST_CHUNK = "\r\n0\r\n\r\n";

export class Cutter {
  requests = []; // the path and the last id of each
  retries = []; // what the server has sent, and when
  cuts = []; // for the next streams, each: the number of the event in which it is cut, or "last chunk", which is kept
  refuses = false;
  soon = true; // whether clients are told to come back soon
  #ends = new Set();

  static async to(port) {
    const cutter = new Cutter();
    cutter.server = createServer((near) => cutter.#join(near, connect(port, "127.0.0.1")));
    cutter.server.listen(0, "127.0.0.1");
    await once(cutter.server, "listening");
    cutter.port = cutter.server.address().port;
    return cutter;
  }

  #join(near, far) {
    for (const [end, other] of [[near, far], [far, near]]) {
      this.#ends.add(end);
      end.on("error", () => {}).on("close", () => this.#ends.delete(end) && other.end()); // with all that was written
    }
    if (this.refuses) return near.resetAndDestroy();
    near.on("data", (data) => {
      far.write(data);
      const [, method, target] = /^(\w+) (\S+) HTTP/.exec(data.toString("latin1")) ?? [];
      if (!method) return;
      const header = /^last-event-id: (.*)\r$/im.exec(data.toString("latin1"))?.[1];
      const query = new URL(target, "http://x").searchParams.get("lastEventId");
      this.requests.push({ method, target, lastId: header ?? query, at: performance.now() });
    });
    this.#answer(near, far);
  }

  #answer(near, far) {
    let text = "";
    let sent = 0;
    let rule = null;
    far.on("data", (data) => {
      text += data.toString("latin1");
      const head = text.indexOf("\r\n\r\n") + 4;
      const streams = head > 3 && /^HTTP\/1.1 200 /.test(text) && /text\/event-stream/.test(text.slice(0, head));
      if (!streams) {
        near.write(data);
        if (head > 3) text = "";
        return;
      }
      if (!sent) {
        rule = this.cuts.shift() ?? null;
        near.write(text.slice(0, head), "latin1");
        if (this.soon) near.write(SOON, "latin1");
        sent = head;
      }
      for (const [, retry] of text.slice(sent).matchAll(RETRY)) this.retries.push({ retry: Number(retry), at: performance.now() });
      if (this.soon) text = text.slice(0, sent) + text.slice(sent).replaceAll(RETRY, "retry: 0020");
      const end = rule === null ? -1 : cutAt(text, head, rule);
      near.write(text.slice(sent, end < 0 ? undefined : end), "latin1", () => end >= 0 && rule !== "last chunk" && near.resetAndDestroy());
      sent = text.length;
      if (end >= 0) far.removeAllListeners("data").resume(); // for "last chunk", which is kept, it is held until `cut`
    });
  }

  /** Reset what is connected, and what comes until it is mended. */
  cut() {
    this.refuses = true;
    for (const end of this.#ends) end.resetAndDestroy();
  }

  mend() {
    this.refuses = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}

function cutAt(text, head, rule) {
  if (rule === "last chunk") return text.indexOf(LAST_CHUNK, head) + 1 ? text.indexOf(LAST_CHUNK, head) + 2 : -1;
  let at = head;
  for (let number = 0; number < rule; number += 1) {
    at = text.indexOf("\ndata: ", at + 1);
    if (at < 0) return -1;
  }
  return at + 8;
}
