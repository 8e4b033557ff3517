// The live panel, over Server-Sent Events beside the chat: how many messages a second, and who is connected over what.
// After a cut the browser comes back by itself with the id of the last pulse, and gets those that it has missed.

import { $, make, reconcile } from "./dom.js";
import * as meter from "./meter.js";

let events = null;

export function follow() {
  if (events) return;
  events = new EventSource("live?last_event_id=earliest");
  events.addEventListener("open", () => ($("live").dataset.state = "open"));
  events.addEventListener("error", () => ($("live").dataset.state = "lost"));
  events.addEventListener("stream-reset", meter.clear);
  events.addEventListener("message", ({ data, lastEventId }) => {
    const { rate, connections } = JSON.parse(data);
    meter.add(rate);
    show(connections);
    $("live").dataset.ids = `${$("live").dataset.ids ?? ""} ${lastEventId.split("-").at(-1)}`.split(" ").slice(-60).join(" ");
  });
}

function show(connections) {
  reconcile($("connections"), connections, ([generation, transport]) => `${generation} ${transport}`,
    ([generation, transport]) => make("li", "", make("span", "way", `${generation} · ${transport}`), make("span", "badge")),
    (item, [, , count]) => (item.lastElementChild.textContent = String(count)));
}
