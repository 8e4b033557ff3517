// The page: who comes in, what is shown of the connection, and what the keys do.

import { connect, told } from "./connection.js";
import * as conversation from "./conversation.js";
import { $ } from "./dom.js";
import * as live from "./live.js";
import { browser, tab } from "./memory.js";
import * as side from "./side.js";
import "./theme.js";
import * as typing from "./typing.js";

let connection = null, me = "", name = "", room = "", rooms = [], turn = 0, lostAt = null, retry = null, unread = 0;

const SEEN = ". You see what is said from now on.";

// ---- the connection, told as it is

function status(state, words) {
  $("status").dataset.state = state;
  if ($("words").textContent !== words) $("words").textContent = words;
  if (state !== "open") $("latency").textContent = "";
}

/** Show what is wrong, and for how long; nothing is wrong without words. */
function trouble(words, next = null, action = "Try now") {
  retry = next;
  if (!words && document.activeElement === $("now")) $("text").focus(); // the button goes, the focus stays here
  $("banner").hidden = !words;
  $("side").classList.toggle("stale", Boolean(words));
  if ($("trouble").textContent !== words) $("trouble").textContent = words;
  $("now").textContent = action;
  countDown();
}

function countDown() {
  const left = retry ? Math.ceil((retry.at - performance.now()) / 1000) : 0;
  $("countdown").textContent = !retry ? "" : left > 0 ? `Attempt ${retry.attempt} in ${left} s` : `Attempt ${retry.attempt} is running`;
}

setInterval(countDown, 250);

function sitDown(wanted) {
  connection?.leave();
  room = wanted;
  status("wait", "Connecting…");
  connection = connect(() => ({ name, page: seat(), turn, room, since: conversation.lastId }), hear);
  conversation.use({ up: () => connection.up && lostAt === null, ask: (text, key) => connection.ask("say", text, key) });
}

/** The secret by which the server knows this tab when it comes back. */
function seat() {
  let page = tab.get("page");
  if (!page) tab.set("page", (page = [...crypto.getRandomValues(new Uint32Array(5))].join("-")));
  return page;
}

const hear = {
  up(transport) {
    status("open", `Connected over ${told(transport)}`);
  },

  latency(milliseconds) {
    $("latency").textContent = `${Math.max(1, Math.round(milliseconds))} ms`;
  },

  down(why, next) {
    lostAt ??= performance.now();
    const offline = next === null;
    status("wait", offline ? "Offline" : "Reconnecting…");
    typing.hushAll();
    trouble(offline ? "This device is offline. The chat goes on when it is back." : why, next);
    if ($("chat").hidden) $("refusal").textContent = "The server does not answer. Trying again…";
  },

  refused(message) {
    status("idle", "Not connected");
    trouble("");
    tab.set("name", null);
    show("entrance");
    $("refusal").textContent = message;
    $("name").value = name;
    $("name").select();
  },

  replaced(message) {
    turn = 0;
    status("lost", "Not connected");
    trouble(message, null, "Use it here");
  },

  welcome(view) {
    const away = lostAt === null ? 0 : performance.now() - lostAt;
    const first = me === "" || $("chat").hidden;
    const wanted = decoded();
    lostAt = null;
    turn = view.turn;
    trouble("");
    tab.set("name", name);
    show("chat");
    if (!first) conversation.note([wasAway(view, away)], view.back && view.complete ? "" : "gap");
    look(view, !view.back);
    if (first) conversation.note(view.back ? ["You are back in ", view.room, "."] : ["You are in ", view.room, SEEN]);
    live.follow();
    conversation.flush();
    if (first) $("text").focus();
    if (first && wanted) enter(wanted);
  },

  said(message) {
    typing.hush(message.by);
    conversation.add(message);
    if (document.hidden) unread++;
    title();
  },

  delivered: conversation.confirm,
  typing: typing.hear,

  came(person) {
    side.put(person);
    conversation.note(["", person.name, " came in"]);
  },

  changed(person) {
    const before = side.put(person);
    if (person.away) typing.hush(person.id);
    if (before && before.away !== person.away) {
      conversation.note(["", person.name, person.away ? " has lost the connection" : " is back"]);
    }
  },

  left(person) {
    typing.hush(person.id);
    side.remove(person.id);
    conversation.note(["", person.name, " left"]);
  },

  pulse(beat) {
    if (beat.rooms) list(beat.rooms);
  },
};

function wasAway({ back, complete, messages }, milliseconds) {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  const time = seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  if (!back) return `You were away for ${time}, too long for your place to be kept. What was said meanwhile is missing here.`;
  if (!complete) return `You were away for ${time}. The room remembers only the last of what was said.`;
  const missed = messages.filter((message) => message.by !== me).length;
  if (missed === 0) return `You were away for ${time} and missed nothing.`;
  return `You were away for ${time}. ${missed === 1 ? "This was" : `These ${missed} messages were`} said meanwhile:`;
}

// ---- rooms

function look(view, afresh) {
  me = view.id;
  room = view.room;
  $("room-title").firstElementChild.textContent = room;
  const address = new URL(`#${encodeURIComponent(room)}`, location.href);
  if (location.hash !== address.hash) history[decoded() ? "pushState" : "replaceState"](null, "", address);
  $("second").href = address;
  $("code").textContent = code();
  typing.hushAll();
  side.seat(view.id, view.here);
  list(view.rooms);
  conversation.resume(view, { afresh });
  title();
}

/** A program that joins this room: it needs nothing but `npm install socket.io-client`. */
function code() {
  return `import { io } from "socket.io-client";

const socket = io(${JSON.stringify(location.origin)}, {
  auth: { name: "Robot", room: ${JSON.stringify(room)} },
});
socket.on("said", (message, received) => {
  console.log(message.name, message.text);
  received();
});
socket.emit("say", "Hello!");`;
}

function list(fresh) {
  rooms = fresh;
  side.showRooms(rooms, room, enter);
}

async function enter(wanted) {
  openSide(false);
  if (wanted === room) return;
  try {
    const view = await connection.ask("enter", wanted);
    if (view.error) return conversation.note([view.error], "gap");
    conversation.clear();
    look(view, true);
    conversation.note(["You are in ", view.room, SEEN]);
    $("text").focus();
  } catch {
    conversation.note(["The server did not let you into ", wanted, ". Try again when you are connected."], "gap");
  }
}

/** The room of the address, as in http://127.0.0.1:8000/#Harbour */
function decoded() {
  try { return decodeURIComponent(location.hash.slice(1)).trim(); } catch { return ""; }
}

/** Go where the address points, if that is another room. */
function follow() {
  const wanted = decoded();
  if (wanted && wanted !== room && !$("chat").hidden) enter(wanted);
}

function title() {
  document.title = `${unread ? `(${unread}) ` : ""}${room ? `${room} · ` : ""}Waterspout chat`;
}

function show(id) {
  for (const part of ["entrance", "chat", "missing"]) $(part).hidden = part !== id;
}

function openSide(yes) {
  $("side").classList.toggle("open", yes);
  $("sides").setAttribute("aria-expanded", String(yes));
}

// ---- what the person does

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  name = $("name").value.trim();
  if (!name) return;
  browser.set("name", name);
  $("refusal").textContent = "";
  const wanted = $("wanted").value.trim();
  if (wanted !== decoded()) history.replaceState(null, "", location.pathname);
  sitDown(wanted);
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  typing.done();
  conversation.say(text);
});

$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("say").requestSubmit();
  }
});

$("text").addEventListener("input", () => {
  if (connection.up && $("text").value.trim() && typing.due()) connection.hint("typing");
});

$("open").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = $("opened").value.trim();
  $("opened").value = "";
  if (wanted) enter(wanted);
});

$("leave").addEventListener("click", () => {
  connection.leave();
  connection = null;
  for (const key of ["name", "page"]) tab.set(key, null);
  me = room = "";
  turn = 0;
  lostAt = null;
  conversation.clear();
  trouble("");
  openSide(false);
  status("idle", "Not connected");
  $("figure").hidden = true;
  show("entrance");
  title();
  $("name").focus();
});

/** Make a button copy a text; without TLS the browser does not allow it, and the button says what to do instead. */
function copying(button, text, instead) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = instead;
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

copying($("invite"), () => location.href, "Copy the address above");
copying($("copy"), code, "Select and copy it");

$("sides").addEventListener("click", () => openSide(!$("side").classList.contains("open")));
$("now").addEventListener("click", () => connection.retry());
$("reload").addEventListener("click", () => location.reload());
addEventListener("hashchange", follow);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && $("side").classList.contains("open")) {
    openSide(false);
    $("sides").focus();
  }
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) unread = 0;
  if (me) title();
});

// ---- the start

function load(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", () => (window.io ? resolve() : reject()));
    script.addEventListener("error", reject);
    document.head.append(script);
  });
}

status("wait", "Loading the client…");
try {
  await load("client.js");
  status("idle", "Not connected");
  $("name").value = name = tab.get("name") ?? browser.get("name") ?? "";
  $("wanted").value = decoded();
  show("entrance");
  if (tab.get("name")) sitDown(decoded());
  else $("name").focus();
} catch {
  status("lost", "No Socket.IO client");
  show("missing");
}
