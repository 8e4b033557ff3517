/* matrix.mjs PORT PARSER [SCENARIO...]: play the scenarios (or all) with all clients; a line of JSON for each result. */
import { Client, kinds, listen, within } from "./clients.mjs";
import { SCENARIOS } from "./scenarios.mjs";

const named = ({ generation, transport }, scenario) => `${generation} ${transport} 🌊 ${scenario}`;

/** Where the clients of a scenario wait for each other; who fails is not waited for in vain. */
class Meeting {
  #points = new Map();
  #broken = resolvers();

  constructor(names) {
    this.names = names;
  }

  async gather(point) {
    if (!this.#points.has(point)) this.#points.set(point, { ...resolvers(), count: 0 });
    const here = this.#points.get(point);
    if (++here.count === this.names.length) here.resolve();
    const missing = this.#broken.promise.then((name) => {
      throw new Error(`${name} failed before "${point}"`);
    });
    await within(Promise.race([here.promise, missing]), `the meeting "${point}"`);
  }

  desert(name) {
    this.#broken.resolve(name);
  }
}

// A library that throws outside of any scenario must not take the others' results with it.
process.on("uncaughtException", (error) => {
  console.error(error);
  process.exitCode = 1;
});

const [port, parser, ...chosen] = process.argv.slice(2);
const KINDS = kinds(parser);
const scenarios = chosen.length ? chosen : Object.keys(SCENARIOS[parser]);
const outsider = new Client(port, KINDS.at(-1), { name: "outsider", query: { room: "watchers" } });
Object.assign(outsider, { shouts: listen(outsider.socket, "shout"), broadcasts: listen(outsider.socket, "broadcast") });
const departures = watch(outsider);
await outsider.connected();
for (const scenario of scenarios) await play(scenario);
process.exit();

async function play(scenario) {
  const meeting = new Meeting(KINDS.map((kind) => named(kind, scenario)));
  await Promise.all(KINDS.map((kind) => report(scenario, kind, meeting)));
}

async function report(scenario, kind, meeting) {
  const name = named(kind, scenario);
  let error = null;
  try {
    await act(SCENARIOS[parser][scenario], kind, name, meeting);
  } catch (failure) {
    error = failure.stack;
    meeting.desert(name);
  }
  console.log(JSON.stringify({ ...kind, scenario, error }));
}

async function act(scenario, kind, name, meeting) {
  const leaving = [];
  const start = ({ port: other = port, transport = kind.transport, ...options } = {}) => {
    const client = new Client(other, { ...kind, transport }, { name, ...options });
    leaving.push(() => client.close());
    return client;
  };
  try {
    await scenario({
      port,
      outsider,
      names: meeting.names,
      number: meeting.names.indexOf(name),
      start,
      open: (options) => start(options).connected(),
      gather: (point) => meeting.gather(point),
      left: (who) => within(departures(who), `the server's farewell to ${who}`),
      leave: (end) => leaving.push(end),
    });
  } finally {
    for (const end of leaving) end();
  }
}

/** Remember why the server says that each client left. */
function watch(observer) {
  const reasons = new Map();
  const slot = (name) => reasons.get(name) ?? reasons.set(name, resolvers()).get(name);
  observer.socket.on("left", (name, reason) => slot(name).resolve(reason));
  return (name) => slot(name).promise;
}

function resolvers() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
