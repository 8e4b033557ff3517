/* Clients whose parser is not the server's: `wrong_parser.mjs PORT json|msgpack` prints how each connection ends. */
import { Client, kinds, within } from "./clients.mjs";

const [port, parser] = process.argv.slice(2);

// A client of 2.x says nothing before the server has spoken, and cannot read that: there is nothing to be told.
const speaking = kinds(parser).filter(({ generation, transport }) => generation > "3" && transport !== "upgrade");

for (const kind of speaking) {
  const client = new Client(port, kind);
  const [reason] = await within(new Promise((resolve) => client.manager.on("close", (...why) => resolve(why))), "the end");
  console.log(JSON.stringify({ ...kind, reason, connected: client.connects.all.length }));
}
process.exit(0);
