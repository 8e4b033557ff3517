// Who is typing: told at most every two seconds, forgotten after four.

import { $, make } from "./dom.js";

const INTERVAL = 2000;
const FADE = 4000;

const typists = new Map(); // id -> [name, timer]
let toldAt = -INTERVAL;

export function hear({ id, name }) {
  clearTimeout(typists.get(id)?.[1]);
  typists.set(id, [name, setTimeout(() => hush(id), FADE)]);
  show();
}

export function hush(id) {
  clearTimeout(typists.get(id)?.[1]);
  if (typists.delete(id)) show();
}

export function hushAll() {
  for (const id of [...typists.keys()]) hush(id);
}

/** Whether it is time to tell the others again that this page's person is typing. */
export function due() {
  if (performance.now() - toldAt < INTERVAL) return false;
  toldAt = performance.now();
  return true;
}

/** The message is sent: the next one is told at once. */
export function done() {
  toldAt = -INTERVAL;
}

function show() {
  const names = [...typists.values()].map(([name]) => make("bdi", "", name));
  if (names.length > 2) $("typing").textContent = `${names.length} people are typing…`;
  else if (names.length === 2) $("typing").replaceChildren(names[0], " and ", names[1], " are typing…");
  else $("typing").replaceChildren(...names, names.length ? " is typing…" : "");
}
