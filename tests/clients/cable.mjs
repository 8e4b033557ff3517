/* A TCP connection's way through this process, so that it can be cut. */
import { connect, createServer } from "node:net";
import { once } from "node:events";

export class Cable {
  #ends = new Set();
  #whole = true;

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
      this.#ends.add(end);
      end.on("error", () => {}).on("close", () => {
        this.#ends.delete(end);
        other.destroy();
      });
      end.pipe(other);
    }
    if (!this.#whole) near.destroy();
  }

  /** Break what is connected, and refuse what comes until it is mended. */
  cut() {
    this.#whole = false;
    for (const end of this.#ends) end.destroy();
  }

  mend() {
    this.#whole = true;
  }

  close() {
    this.cut();
    this.server.close();
  }
}
