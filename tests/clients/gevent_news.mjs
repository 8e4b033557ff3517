/* gevent_news.mjs PORT: asks the namespace /chat for "news", again after each connection, until there is an answer. */
import { createRequire } from "node:module";

const { io } = createRequire(import.meta.url)("socket.io-client-4");
const socket = io(`http://127.0.0.1:${process.argv[2]}/chat`, { reconnectionDelayMax: 500 });
socket.on("connect", () => {
  socket.emit("news", (answer) => {
    if (answer === null) return; // there is none yet, and the server will start anew
    console.log(answer);
    process.exit();
  });
});
