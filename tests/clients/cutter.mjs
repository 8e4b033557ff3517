/* A proxy that cuts what a server sends where it is told: in the middle of an event, by a reset of the TCP connection. */
import { connect, createServer } from "node:net";
import { once } from "node:events";

const SOON = "a\r\nretry: 20\n\r\n"; // a chunk: the standard's own way to have clients come back soon
const RETRY = /^retry: (\d{4})$/gm;
const LAST_CHUNK = "\r\n0\r\n\r\n";

export class Cutter {
  requests = []; // the path and the last id of each
  retries = []; // what the server has sent, and when
  // Each, counted from the last cut: the number of the event in which the next is made, or {bytes}, anywhere; or
  // "last chunk", which is kept.
  cuts = [];
  mark = "\ndata: "; // what every event has in it
  spares = null; // behind what no cut is made anywhere
  refuses = false;
  soon = true; // whether clients are told to come back soon
  #ends = new Set();
  #marks = 0; // since the last cut

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
      const { searchParams } = new URL(target, "http://x");
      const lastId = header ?? searchParams.get("lastEventId") ?? searchParams.get("last_event_id");
      this.requests.push({ method, target, lastId, at: performance.now() });
    });
    this.#answer(near, far);
  }

  #answer(near, far) {
    let text = "";
    let sent = 0;
    let goesOn = false;
    far.on("data", (data) => {
      text += data.toString("latin1");
      const head = text.indexOf("\r\n\r\n") + 4;
      if (!goesOn && head > 3) {
        const isStream = /^HTTP\/1.1 200 /.test(text) && /text\/event-stream/.test(text.slice(0, head));
        goesOn = isStream || /^HTTP\/1.1 101 /.test(text);
        if (isStream) {
          near.write(text.slice(sent, head), "latin1");
          if (this.soon) near.write(SOON, "latin1");
          sent = head;
        }
      }
      for (const [, retry] of text.slice(sent).matchAll(RETRY)) this.retries.push({ retry: Number(retry), at: performance.now() });
      if (this.soon) text = text.slice(0, sent) + text.slice(sent).replaceAll(RETRY, "retry: 0020");
      const rule = this.cuts[0];
      const end = this.#cutAt(text, sent);
      near.write(text.slice(sent, end < 0 ? undefined : end), "latin1", () => end >= 0 && rule !== "last chunk" && near.resetAndDestroy());
      sent = text.length;
      if (end >= 0) far.removeAllListeners("data").resume(); // for "last chunk", which is kept, it is held until `cut`
      if (goesOn || head < 4) return;
      text = ""; // another answer may follow on this connection
      sent = 0;
    });
  }

  /** Where the next cut is, if that has come. */
  #cutAt(text, from) {
    const [rule] = this.cuts;
    if (rule === "last chunk") {
      const at = text.indexOf(LAST_CHUNK);
      if (at >= 0) this.cuts.shift();
      return at < 0 ? -1 : at + 2;
    }
    if (rule?.bytes !== undefined) {
      const end = from + rule.bytes;
      rule.bytes -= text.length - from;
      if (rule.bytes >= 0) return -1;
      this.cuts.shift();
      return this.spares?.test(text.slice(0, end)) ? end - 1 : end;
    }
    for (let at = from - this.mark.length; rule && (at = text.indexOf(this.mark, at + 1)) >= 0; ) {
      if ((this.#marks += 1) < rule) continue;
      this.#marks = 0;
      this.cuts.shift();
      return at + this.mark.length + 1;
    }
    return -1;
  }

  /** Reset what is connected, and what comes until it is mended. */
  cut() {
    this.refuses = true;
    this.#marks = 0;
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
