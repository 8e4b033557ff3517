// The chat page: the official Socket.IO client, the browser's own elements, and nothing else.

const ACK_TIMEOUT = 8000;       // milliseconds until a message counts as not delivered
const TYPING_INTERVAL = 2000;   // tell the others at most this often
const TYPING_FADE = 4000;       // and forget what they told after this long
const SAME_BREATH = 180_000;    // messages of one person this close together share a head
const LOG_LIMIT = 500;          // lines kept on the page

const $ = (id) => document.getElementById(id);
const page = crypto.getRandomValues(new Uint32Array(6)).join("-").slice(0, 64);
const typists = new Map();      // id -> [name, timer]

let socket, me, room, people = new Map(), counts = {}, lostAt = null, typedAt = 0, attempt = 0, atEnd = true;

// ---- building elements; text is always set as text

function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

function button(label, action, className = "") {
  const element = make("button", className, label);
  element.type = "button";
  element.addEventListener("click", action);
  return element;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

function nameOf(name) {
  return make("bdi", "who", name);
}

function face(name) {
  const element = make("span", "face", [...name][0].toUpperCase());
  const hue = [...name].reduce((sum, char) => (sum * 31 + char.codePointAt(0)) % 360, 7);
  element.style.setProperty("--hue", hue);
  element.setAttribute("aria-hidden", "true");
  return element;
}

// ---- the connection, told as it is

function status(state, text, ...more) {
  $("status").dataset.state = state;
  $("status").replaceChildren(text, ...more);
}

const TRANSPORTS = { websocket: "WebSocket", polling: "long polling", webtransport: "WebTransport" };

function told(transport) {
  return TRANSPORTS[transport] ?? transport;
}

function connect(name, wanted) {
  socket?.disconnect();
  socket = io({ auth: (give) => give({ name, page, room: room ?? wanted }), reconnectionDelayMax: 4000 });
  const manager = socket.io;

  socket.on("connect", () => {
    attempt = 0;
    const engine = manager.engine;
    const report = () => {
      status("open", `Connected over ${told(engine.transport.name)}`);
      socket.emit("transport", engine.transport.name);
    };
    report();
    engine.on("upgrade", report);
  });
  socket.on("connect_error", (error) => {
    if (socket.active) trying(`No answer from the server${attempt ? ` to attempt ${attempt}` : ""}.`);
    else refused(error.message);
  });
  socket.on("disconnect", (reason) => {
    if (reason === "io client disconnect") return;
    lostAt ??= Date.now();
    $("side").classList.add("stale");
    if (socket.active) trying(`Connection lost (${reason}).`);
    else status("lost", "The server ended the connection.", button("Connect", () => socket.connect(), "plain"));
  });
  manager.on("reconnect_attempt", (count) => { attempt = count; });

  socket.on("welcome", (view) => {
    me = view.id;
    if (lostAt !== null) {
      note(`You were away for ${seconds(Date.now() - lostAt)}. What was said meanwhile is missing here.`, "gap");
      lostAt = null;
      show(view);
    } else {
      $("login").hidden = true;
      $("chat").hidden = false;
      show(view);
      note(`You are in ${view.room}. You see what is said from now on.`);
      $("text").focus();
    }
  });
  socket.on("said", (message) => { hush(message.id); add(message); });
  socket.on("came", (person) => { people.set(person.id, person); showPeople(); note(`${person.name} came in`); });
  socket.on("changed", (person) => { people.set(person.id, person); showPeople(); });
  socket.on("left", ({ id, name }) => { hush(id); people.delete(id); showPeople(); note(`${name} left`); });
  socket.on("rooms", (fresh) => { counts = fresh; showRooms(); });
  socket.on("typing", ({ id, name }) => {
    clearTimeout(typists.get(id)?.[1]);
    typists.set(id, [name, setTimeout(() => hush(id), TYPING_FADE)]);
    showTyping();
  });
  status("wait", "Connecting…");
}

function trying(why) {
  status("wait", navigator.onLine ? `${why} Trying again…` : "This device is offline. Trying again when it is back…");
}

function refused(text) {
  status("idle", "Not connected");
  $("chat").hidden = true;
  $("login").hidden = false;
  $("refusal").textContent = text;
  $("name").focus();
}

function seconds(milliseconds) {
  const count = Math.max(1, Math.round(milliseconds / 1000));
  return count < 120 ? `${count} s` : `${Math.round(count / 60)} min`;
}

// ---- rooms and people

function show(view) {
  $("side").classList.remove("stale");
  ({ room, rooms: counts } = view);
  people = new Map(view.here.map((person) => [person.id, person]));
  for (const id of [...typists.keys()]) hush(id);
  showRooms();
  showPeople();
}

function showRooms() {
  $("rooms").replaceChildren(...Object.entries(counts).map(([name, count]) => {
    const number = make("span", "badge", String(count));
    const choice = button(name, () => enter(name));
    choice.setAttribute("aria-label", `${name}, ${count} ${count === 1 ? "person" : "people"}`);
    if (name === room) choice.setAttribute("aria-current", "true");
    choice.append(number);
    return make("li", "", choice);
  }));
  document.title = `${room} · Waterspout chat`;
}

function showPeople() {
  $("count").textContent = people.size;
  const sorted = [...people.values()].sort((a, b) => (b.id === me) - (a.id === me) || a.name.localeCompare(b.name));
  $("people").replaceChildren(...sorted.map((person) => {
    const name = nameOf(person.name);
    if (person.id === me) name.append(" (you)");
    return make("li", "", face(person.name), name,
      make("span", "way", `${told(person.transport)}, ${person.generation}`));
  }));
}

async function enter(name) {
  if (name === room || !socket.connected) return;
  try {
    const view = await socket.timeout(ACK_TIMEOUT).emitWithAck("enter", name);
    if (view.error) return note(view.error);
    $("log").replaceChildren();
    show(view);
    note(`You are in ${view.room}. You see what is said from now on.`);
  } catch {
    note(`${name} did not answer.`, "gap");
  }
}

function hush(id) {
  clearTimeout(typists.get(id)?.[1]);
  typists.delete(id);
  showTyping();
}

function showTyping() {
  const names = [...typists.values()].map(([name]) => name);
  const who = names.length > 2 ? `${names.length} people` : names.join(" and ");
  $("typing").textContent = names.length ? `${who} ${names.length === 1 ? "is" : "are"} typing…` : "";
}

// ---- the conversation

function put(line, always) {
  const log = $("log");
  log.append(line);
  while (log.childElementCount > LOG_LIMIT) log.firstElementChild.remove();
  if (always || atEnd) toEnd();
  else $("latest").hidden = false;
  return line;
}

function toEnd() {
  $("log").scrollTop = $("log").scrollHeight;
  atEnd = true;
}

function note(text, kind = "") {
  put(make("li", `event ${kind}`, make("bdi", "", text)));
}

function add({ id, name, text, at }) {
  const mine = id === me;
  const words = make("p", "", text);
  words.dir = "auto";
  const time = make("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = new Date(at).toISOString();
  const line = make("li", mine ? "message mine" : "message",
    nameOf(name), face(name), make("div", "bubble", words, make("footer", "", time)));
  const last = $("log").lastElementChild;
  if (last?.dataset.id === id && at - Number(last.dataset.at) < SAME_BREATH) line.classList.add("more");
  Object.assign(line.dataset, { id, at });
  return put(line, mine);
}

function mark(line, state, name, label) {
  line.dataset.state = state;
  line.querySelector(".tick")?.remove();
  const tick = make("span", "tick", icon(name));
  tick.setAttribute("role", "img");
  tick.setAttribute("aria-label", label);
  tick.title = label;
  line.querySelector("footer").append(tick);
}

async function say(text) {
  const line = add({ id: me, name: "You", text, at: Date.now() });
  mark(line, "sent", "clock", "Not confirmed yet");
  try {
    const answer = await socket.timeout(ACK_TIMEOUT).emitWithAck("say", text);
    if (answer.error) return failed(line, text, answer.error);
    const others = ["nobody else is here", "sent it to 1 other person"][answer.others];
    mark(line, "delivered", "tick", `The server has it and ${others ?? `sent it to ${answer.others} other people`}`);
  } catch {
    failed(line, text, "The server did not confirm this.");
  }
}

function failed(line, text, reason) {
  mark(line, "failed", "warning", "Not delivered");
  const again = button("Send again", () => { line.remove(); say(text); });
  line.append(make("p", "failure", `${reason} `, again));
  if (atEnd) toEnd();
}

// ---- what the person does

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (!name) return;
  keep("name", name);
  room = undefined;
  $("refusal").textContent = "";
  connect(name, $("room").value);
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  typedAt = 0;
  say(text);
});

$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("say").requestSubmit();
  }
});

$("text").addEventListener("input", () => {
  if (!socket.connected || Date.now() - typedAt < TYPING_INTERVAL || !$("text").value.trim()) return;
  typedAt = Date.now();
  socket.volatile.emit("typing");
});

$("latest").addEventListener("click", toEnd);
$("log").addEventListener("scroll", () => {
  const log = $("log");
  atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  if (atEnd) $("latest").hidden = true;
});
new ResizeObserver(() => { if (atEnd) toEnd(); }).observe($("log"));
$("reload").addEventListener("click", () => location.reload());

// ---- colours, and what this browser remembers

const THEMES = { auto: ["Auto", "light dark"], light: ["Light", "light"], dark: ["Dark", "dark"] };

function kept(key) {
  try { return localStorage.getItem(`waterspout.${key}`); } catch { return null; }
}

function keep(key, value) {
  try { localStorage.setItem(`waterspout.${key}`, value); } catch { /* a private window: not kept */ }
}

function paint(theme) {
  const [label, scheme] = THEMES[theme];
  document.documentElement.style.colorScheme = scheme;
  $("theme").textContent = `◐ ${label}`;
  $("theme").setAttribute("aria-label", `Colours: ${theme === "auto" ? "as the system has them" : theme}`);
  $("theme").dataset.theme = theme;
}

$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf($("theme").dataset.theme) + 1) % names.length];
  paint(next);
  keep("theme", next);
});

// ---- the start

function load(address) {
  return new Promise((resolve, reject) => {
    const script = make("script");
    script.src = address;
    script.addEventListener("load", () => (window.io ? resolve() : reject()));
    script.addEventListener("error", reject);
    document.head.append(script);
  });
}

paint(Object.hasOwn(THEMES, kept("theme")) ? kept("theme") : "auto");
$("presence").open = matchMedia("(min-width: 44rem)").matches;
status("wait", "Loading the Socket.IO client…");
try {
  await load("client.js");
  status("idle", "Not connected");
  $("login").hidden = false;
  $("name").value = kept("name") ?? "";
  $("name").focus();
} catch {
  status("lost", "No Socket.IO client");
  $("missing").hidden = false;
}
