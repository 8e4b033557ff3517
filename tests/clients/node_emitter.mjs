/* node_emitter.mjs SOCKET PORT...: a client at each port, and an emitter of Node at the Redis; prints what each client got. */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { io } = require("socket.io-client-4");
const { Emitter } = require("@socket.io/redis-emitter");
const { createClient } = require("redis");

const [path, ...ports] = process.argv.slice(2);
const redis = createClient({ socket: { path } });
await redis.connect();
const emitter = new Emitter(redis);

const clients = ports.map((port) => io(`http://127.0.0.1:${port}`, { transports: ["websocket"], reconnection: false }));
const heard = clients.map(() => []);
const once = (event) => Promise.all(clients.map((client) => new Promise((resolve) => client.once(event, resolve))));
await once("connect");
clients.forEach((client, number) => client.onAny((...event) => heard[number].push(event)));

const first = emitter.in(clients[0].id);
emitter.emit("news", { n: 1 }, Buffer.from([1, 2]), undefined);
first.socketsJoin(["red", 7]);
emitter.to("red").emit("red");
emitter.to(7).emit("seven");
emitter.except("red").emit("others");
emitter.to(["red", "blue"]).volatile.compress(false).emit("several");
first.socketsLeave("red");
emitter.to("red").emit("nobody");
emitter.of("/chat").emit("elsewhere");
emitter.serverSideEmit("hello");
emitter.emit("end");
await once("end");
const ended = once("disconnect");
emitter.disconnectSockets();
const reasons = await ended;
console.log(JSON.stringify({ heard, reasons }));
process.exit(0);
