/* wsgi_examples.mjs ADDRESSES: uses examples/flask_app.py and examples/django_app.py; a line of JSON for each.

A cook of 0.9 and one of 4.x answer what a view asks them, and all clients are told of the order. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { connectOldest, listen } from "./clients.mjs";

const { io } = createRequire(import.meta.url)("socket.io-client-4");

async function order(address) {
  const home = async () => (await fetch(`${address}/`)).text();
  assert.equal(await home(), "0 cooks are here");
  const cook = io(address, { transports: ["websocket"] });
  const guest = connectOldest(new URL(address).port, ["websocket"]);
  const [told, ...connected] = [listen(guest, "ordered"), listen(guest, "connect"), listen(cook, "connect")];
  for (const each of connected) await each.next();
  cook.on("how long", (dish, answer) => answer(dish.length));
  cook.emit("cook");
  while ((await home()) !== "1 cooks are here");
  const body = new URLSearchParams({ dish: "soup 😀" });
  const answer = await fetch(`${address}/orders`, { method: "POST", body });
  assert.deepEqual(await answer.json(), { minutes: 7 });
  assert.deepEqual(await told.next(), ["soup 😀", 7]);
  cook.close();
  guest.disconnect();
}

for (const address of JSON.parse(process.argv[2])) {
  const missing = await (await fetch(`${address}/missing`)).text();
  const name = missing.includes("Django") ? "django_app" : "flask_app";
  const error = await order(address).then(() => null, (error) => error.stack);
  console.log(JSON.stringify({ name, error }));
}
process.exit();
