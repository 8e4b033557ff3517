/* http2.mjs URL: polling over HTTP/2, and a WebSocket in it (RFC 8441) where it is offered; a line of JSON. */
import { once } from "node:events";
import { connect } from "node:http2";

const path = (transport, sid) => `/socket.io/?EIO=4&transport=${transport}${sid ? `&sid=${sid}` : ""}`;
const client = connect(process.argv[2]);
const [settings] = await once(client, "remoteSettings");
const offersConnect = Boolean(settings.enableConnectProtocol);

/** Send a request, and return the text of its answer. */
async function ask(headers, body) {
  const stream = client.request(headers);
  stream.setEncoding("utf8");
  stream.end(body);
  let text = "";
  for await (const piece of stream) text += piece;
  return text;
}

async function poll() {
  const { sid } = JSON.parse((await ask({ ":path": path("polling") })).slice(1));
  const target = { ":path": path("polling", sid) };
  await ask({ ...target, ":method": "POST" }, "40");
  await ask(target);
  const held = ask(target); // beside the POST, on the same connection
  await ask({ ...target, ":method": "POST" }, '421["ack","over HTTP/2"]');
  return held;
}

/** Open a WebSocket in a stream, and return the second thing that is said in it: the answer to our "40". */
async function talk() {
  const stream = client.request({
    ":method": "CONNECT",
    ":protocol": "websocket",
    ":path": path("websocket"),
    "sec-websocket-version": "13",
  });
  const [{ ":status": status }] = await once(stream, "response");
  await once(stream, "data"); // the handshake of Engine.IO
  stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30])); // "40", masked with zeros
  const [frame] = await once(stream, "data");
  stream.close();
  return { status, text: frame.subarray(2).toString() };
}

const polled = await poll();
const websocket = offersConnect ? await talk() : null;
console.log(JSON.stringify({ protocol: client.alpnProtocol, polled, offersConnect, websocket }));
client.destroy();
