/* http2events.mjs URL: an event stream over HTTP/2, beside polling in the same connection; a line of JSON. */
import { once } from "node:events";
import { connect } from "node:http2";

const client = connect(process.argv[2]);

function request(path, body) {
  const stream = client.request({ ":path": path, ":method": body === undefined ? "GET" : "POST" });
  stream.setEncoding("utf8");
  stream.end(body);
  return stream;
}

async function ask(path, body) {
  let text = "";
  for await (const piece of request(path, body)) text += piece;
  return text;
}

const polling = "/socket.io/?EIO=4&transport=polling";
const session = `${polling}&sid=${JSON.parse((await ask(polling)).slice(1)).sid}`;
await ask(session, "40");
await ask(session);

const stream = request("/prices");
const [headers] = await once(stream, "response");
stream.on("error", () => {}); // some ends are one
let text = "";
const values = [];
stream.on("data", (piece) => (text += piece));
const until = async (condition) => {
  while (!condition()) await once(stream, "data");
};
await until(() => text.includes("stream-open"));
for (const value of [0, 1, 2]) {
  await ask(session, `42["publish","prices",${value}]`);
  await until(() => text.includes(`data: ${value}\n`)); // the next is not published before it has come
  values.push(value);
}
const closed = new Promise((close) => stream.on("close", close));
await ask(session, '42["disconnect subscribers"]');
await closed;
console.log(JSON.stringify({ protocol: client.alpnProtocol, headers, values, resetCode: stream.rstCode }));
client.destroy();
