// The conversation: messages in the server's order, and what became of one's own.

import { $, button, face, icon, make } from "./dom.js";
import { linked } from "./links.js";

const SAME_BREATH = 180_000; // milliseconds; messages of one person this close together share a head
const LOG_LIMIT = 500;       // lines kept on the page
const SHORTLY = { waiting: "Not sent", failed: "Not sent", alone: "Only you" };

const log = $("log");
const own = new Map();       // key -> {key, text, line, state, got}
const shown = new Set();     // the ids of all messages on the page

export let lastId = 0;
let me = "", transmit, atEnd = true;

/** `ask(text, key)` sends a message and returns the server's answer; `up()` tells whether there is a connection. */
export function use(connection) {
  transmit = connection;
}

// ---- own messages

export function say(text) {
  const key = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
  const entry = { key, text, line: build("You", text, Date.now(), true), state: "", got: 0 };
  entry.line.dataset.key = key;
  own.set(key, entry);
  append(entry.line, true);
  send(entry);
}

/** Send it, or let it wait for the connection. The key makes sure that it is said once, however often it is sent. */
async function send(entry) {
  if (!transmit.up()) return mark(entry, "waiting", "Not sent: it waits for the connection");
  mark(entry, "sending", "Sent, not confirmed yet");
  try {
    const answer = await transmit.ask(entry.text, entry.key);
    if (answer.error) fail(entry, answer.error);
    else confirm(answer);
  } catch {
    if (entry.state !== "sending") return; // the answer came another way
    if (transmit.up()) fail(entry, "The server did not confirm this.");
    else mark(entry, "waiting", "Not sent: it waits for the connection");
  }
}

/**
 * Take a receipt: the server has a message, and `got` of the `of` others have it too. Receipts may overtake each other:
 * an answer is awaited, so what comes with it in one payload is heard first. So `got` only grows.
 */
export function confirm({ id, key, at, got, of }) {
  const entry = own.get(key);
  if (!entry) return;
  got = entry.got = Math.max(entry.got, got);
  if (entry.line.dataset.id !== String(id)) {
    entry.line.dataset.id = id;
    entry.line.dataset.at = at;
    clock(entry.line.querySelector("time"), at);
    remember(id);
    place(entry.line, id);
  }
  if (of === 0) mark(entry, "alone", "The server has it; nobody else is here");
  else if (got < of) mark(entry, "sent", `The server has it; received by ${got} of ${of}`);
  else mark(entry, "received", of === 1 ? "Received" : `Received by all ${of}`);
}

/** Tell that it was refused; a reason that several have in common stands at the last of them. */
function fail(entry, reason) {
  mark(entry, "failed", "Not sent");
  for (const said of log.querySelectorAll(".failure span")) if (said.textContent === reason) said.remove();
  entry.line.append(make("p", "failure", make("span", "", reason), " ", button("Send again", () => send(entry))));
  toEndIfThere();
}

function mark(entry, state, label) {
  entry.state = entry.line.dataset.state = state;
  entry.line.querySelector(".failure")?.remove();
  const footer = entry.line.querySelector("footer");
  footer.querySelector(".mark")?.remove();
  footer.querySelector(".state").textContent = SHORTLY[state] ?? "";
  footer.append(icon(state, label));
}

// ---- what the server says

/** Show a room: from the start, or what was missed in it. */
export function resume({ id, messages, receipts }, { afresh }) {
  me = id;
  if (afresh) forget();
  const keys = new Map(receipts.map((receipt) => [receipt.id, receipt.key]));
  for (const message of messages) {
    if (message.by === me) adopt(message, keys.get(message.id));
    else add(message);
  }
  receipts.forEach(confirm);
}

/** The other side has sent all that it had: now what waited here, which is said after all that. */
export function flush() {
  const waiting = [...own.values()].filter(({ state }) => state === "waiting");
  for (const { line } of waiting) move(line, () => log.append(line));
  waiting.forEach(send);
  toEndIfThere();
}

export function add({ id, by, name, text, at }) {
  if (shown.has(id)) return;
  remember(id);
  const line = build(name, text, at, by === me);
  Object.assign(line.dataset, { id, by, at });
  append(line, false);
}

/** A message of one's own from before this page was loaded. */
function adopt(message, key) {
  if (shown.has(message.id) || own.has(key)) return;
  const entry = { key, text: message.text, line: build("You", message.text, message.at, true), state: "", got: 0 };
  entry.line.dataset.key = key;
  own.set(key, entry);
  append(entry.line, false);
}

/** Tell what has happened, as [before, name, after]: a name may run from right to left, the rest does not. */
export function note([before, name = "", after = ""], kind = "") {
  append(make("li", `event ${kind}`, before, make("bdi", "", name), after), false);
}

export function clear() {
  forget();
  log.replaceChildren();
  own.clear();
  empty(true);
  toEnd();
}

/** Ids begin anew: the server has, or this person's place was given up. What still waits, waits on. */
function forget() {
  shown.clear();
  lastId = 0;
  for (const line of log.children) delete line.dataset.id;
  for (const [key, { state }] of own) if (["alone", "sent", "received"].includes(state)) own.delete(key);
}

function remember(id) {
  shown.add(id);
  lastId = Math.max(lastId, id);
}

// ---- lines

function build(name, text, at, mine) {
  const words = make("p", "", ...linked(text));
  words.dir = "auto";
  const time = make("time");
  clock(time, at);
  const footer = make("footer", "", make("span", "state"), time);
  const line = make("li", mine ? "message mine" : "message", make("bdi", "who", name));
  if (!mine) line.append(face(name));
  line.append(make("div", "bubble", words, footer));
  Object.assign(line.dataset, { by: mine ? "me" : "", at });
  return line;
}

function clock(time, at) {
  time.dateTime = new Date(at).toISOString();
  time.textContent = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function append(line, always) {
  log.append(line);
  group(line);
  while (log.childElementCount > LOG_LIMIT) drop(log.firstElementChild);
  if (line.classList.contains("message")) empty(false);
  if (always) toEnd();
  else if (atEnd) toEnd();
  else $("latest").hidden = false;
}

function drop(line) {
  line.remove();
  own.delete(line.dataset.key);
  shown.delete(Number(line.dataset.id));
}

/** Put a line where the server has it: after all with a smaller id. */
function place(line, id) {
  const after = [...log.children].findLast((other) => other !== line && Number(other.dataset.id) < id);
  if (!after || !(after.compareDocumentPosition(line) & Node.DOCUMENT_POSITION_PRECEDING)) return;
  move(line, () => after.after(line));
}

function move(line, there) {
  const follower = line.nextElementSibling;
  there();
  for (const moved of [line, follower, line.nextElementSibling]) if (moved) group(moved);
}

function group(line) {
  const last = line.previousElementSibling;
  const { by, at } = line.dataset;
  line.classList.toggle("more", Boolean(by && last && last.dataset.by === by && at - last.dataset.at < SAME_BREATH));
}

function empty(yes) {
  $("empty").hidden = !yes;
}

function toEnd() {
  log.scrollTop = log.scrollHeight;
  atEnd = true;
  $("latest").hidden = true;
}

function toEndIfThere() {
  if (atEnd) toEnd();
}

$("latest").addEventListener("click", () => { toEnd(); $("text").focus(); });
log.addEventListener("scroll", () => {
  atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  if (atEnd) $("latest").hidden = true;
});
new ResizeObserver(toEndIfThere).observe(log);
