// The connection to the chat: how the official Socket.IO client is used. Everything else on this page is about showing it.

const ACK_TIMEOUT = 8000;     // milliseconds until a request counts as not answered
const ECHO_INTERVAL = 5000;
const FIRST_DELAY = 800 + Math.random() * 400; // chance is here and not in each delay, so that the wait can be shown
const GREATEST_DELAY = 10_000;

const TRANSPORTS = { websocket: "WebSocket", polling: "long polling", webtransport: "WebTransport" };
export const told = (transport) => TRANSPORTS[transport] ?? transport;

/**
 * Connect, and keep connecting. `identity()` is asked for the auth of each attempt. `hear` has a function for each
 * event of the server, and: up(transport), down(why, retry), refused(message), replaced(message), latency(milliseconds).
 * `retry` is {at, attempt}: when the next attempt comes, in the time of performance.now(), or null if none does.
 */
export function connect(identity, hear) {
  const socket = io({
    auth: (give) => give(identity()),
    reconnectionDelay: FIRST_DELAY,
    reconnectionDelayMax: GREATEST_DELAY,
    randomizationFactor: 0,
  });
  const manager = socket.io;
  let attempts = 0, why = "";

  // What the server says. A message is acknowledged once it is on the page: that is the sender's second tick.
  for (const event of ["welcome", "said"]) {
    socket.on(event, (what, received) => { hear[event](what); received?.(); });
  }
  for (const event of ["delivered", "typing", "came", "changed", "left", "pulse"]) socket.on(event, hear[event]);

  // What becomes of the connection.
  socket.on("connect", () => {
    attempts = 0;
    const engine = manager.engine;
    const report = () => {
      hear.up(engine.transport.name);
      setTimeout(echo, 500); // when the bustle of connecting is over
    };
    report();
    engine.on("upgrade", report);
  });
  socket.on("disconnect", (reason) => {
    if (reason === "io client disconnect") return;
    why = "Connection lost.";
    // The client takes a server's goodbye as final. Here it means that the server ends, and may start again; or that
    // another tab is here instead, and then the next attempt is refused with these words.
    if (reason === "io server disconnect") socket.connect();
    down();
  });
  socket.on("connect_error", (error) => {
    if (!socket.active) return error.data?.replaced ? hear.replaced(error.message) : hear.refused(error.message);
    why = "The server does not answer.";
    down();
  });
  manager.on("reconnect_attempt", (attempt) => {
    attempts = attempt;
    hear.down(why, { at: performance.now(), attempt });
  });

  function down() {
    const delay = Math.min(FIRST_DELAY * 2 ** attempts, GREATEST_DELAY);
    hear.down(why, navigator.onLine ? { at: performance.now() + delay, attempt: attempts + 1 } : null);
  }

  function retry() {
    if (socket.connected) return;
    socket.disconnect().connect(); // forgets the delay that is running
  }

  async function echo() {
    if (!socket.connected || document.hidden) return;
    const sent = performance.now();
    try {
      await socket.timeout(ECHO_INTERVAL).emitWithAck("echo");
      hear.latency(performance.now() - sent);
    } catch { /* that is for `disconnect` to tell */ }
  }

  const timer = setInterval(echo, ECHO_INTERVAL);
  const online = () => { if (socket.active) retry(); };
  addEventListener("online", online);

  return {
    get up() { return socket.connected; },
    /** Emit an event, and return the server's answer; raises after 8 s, or when the connection is lost. */
    ask: (event, ...args) => socket.timeout(ACK_TIMEOUT).emitWithAck(event, ...args),
    /** Emit what nobody misses if it cannot go out at once. */
    hint: (event) => socket.volatile.emit(event),
    retry,
    leave() {
      clearInterval(timer);
      removeEventListener("online", online);
      socket.disconnect();
    },
  };
}
