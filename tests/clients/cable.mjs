/* A TCP connection's way through this process, so that it can be cut or held. */
import { connect, createServer } from "node:net";
import { once } from "node:events";

export class Cable {
  #ends = new Map(); // and where each leads
  #whole = true;
  #held = false;
  #swallowed = null;

  /** Lead a port of our own to `port`. */
  static async to(port) {
    const cable = new Cable();
    cable.server = createServer((near) => cable.#join(near, connect(port, "127.0.0.1")));
    cable.server.listen(0, "127.0.0.1");
    await once(cable.server, "listening");
    cable.port = cable.server.address().port;
    return cable;
  }

  #join(near, far) {
    for (const [end, other] of [[near, far], [far, near]]) {
      this.#ends.set(end, other);
      end.on("error", () => {}).on("close", () => {
        this.#ends.delete(end);
        other.destroy();
      });
      if (this.#held) end.pause();
      else end.pipe(other);
    }
    near.on("data", (request) => this.#swallowed && request.includes(this.#swallowed) && this.#swallow(near, far));
    if (!this.#whole) near.destroy();
  }

  /** Break what is connected, and refuse what comes until it is mended. */
  cut() {
    this.#whole = false;
    for (const end of this.#ends.keys()) end.destroy();
  }

  mend() {
    this.#whole = true;
  }

  /** Let nothing through, in either direction: whoever sends fills buffers. */
  hold() {
    this.#held = true;
    for (const [end, other] of this.#ends) end.unpipe(other).pause(); // it would be read on for `swallow`, and lost
  }

  release() {
    this.#held = false;
    for (const [end, other] of this.#ends) end.pipe(other);
  }

  /** Let no more than the head of an answer through where the request has these words, like a proxy that collects. */
  swallow(words) {
    this.#swallowed = words;
  }

  #swallow(near, far) {
    let head = "";
    far.unpipe(near);
    far.removeAllListeners("data").on("data", (data) => {
      const whole = head.includes("\r\n\r\n");
      head += data.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (!whole && end >= 0) near.write(head.slice(0, end + 4), "latin1");
    });
    far.resume(); // unpipe has paused it
  }

  close() {
    this.cut();
    this.server.close();
  }
}
