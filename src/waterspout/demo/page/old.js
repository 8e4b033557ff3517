// The chat as a page of 2011: Socket.IO's client 0.9, ECMAScript 3, and no more of the DOM than browsers had then.
// What people wrote is always set as text, never as HTML.

(function () {
  var LOG_LIMIT = 500;
  var socket = null, me = "", welcomed = false, seated = false, name = "";
  var people = {}; // id -> person
  var shown = {};  // the ids of all messages on the page
  var own = {};    // key -> {text, mark, got}, until everybody has it
  var count = 0;

  // ---- elements

  function $(id) {
    return document.getElementById(id);
  }

  function make(tag, className, text) {
    var element = document.createElement(tag);
    element.className = className;
    element.appendChild(document.createTextNode(text));
    return element;
  }

  function write(element, text) {
    while (element.firstChild) element.removeChild(element.firstChild);
    element.appendChild(document.createTextNode(text));
  }

  function show(id) {
    var parts = ["missing", "login", "chat"];
    for (var at = 0; at < parts.length; at++) $(parts[at]).className = parts[at] === id ? "" : "hidden";
  }

  function append(line) {
    var log = $("log");
    log.appendChild(line);
    while (log.childNodes.length > LOG_LIMIT) log.removeChild(log.firstChild);
    log.scrollTop = log.scrollHeight;
  }

  function note(text) {
    append(make("li", "event", text));
  }

  // ---- the connection

  /** The secret by which the server knows this tab when it comes back; old browsers have only weak chance. */
  function random() {
    if (!window.crypto || !window.crypto.getRandomValues) return [Math.random(), Math.random(), +new Date()].join("-");
    return Array.prototype.join.call(window.crypto.getRandomValues(new window.Uint32Array(5)), "-");
  }

  function seat() {
    var page = null;
    try {
      page = window.sessionStorage.getItem("waterspout.old") || random();
      window.sessionStorage.setItem("waterspout.old", page);
    } catch (error) { /* not allowed, or not there: not kept */ }
    return page || random();
  }

  function connect(room) {
    var told = { name: name, room: room, page: seat() }, query = [];
    for (var key in told) if (told.hasOwnProperty(key)) query.push(key + "=" + encodeURIComponent(told[key]));
    write($("status"), "Connecting…");
    socket = window.io.connect(location.protocol + "//" + location.host, {
      "query": query.join("&"),
      "transports": ["websocket", "xhr-polling"], // the others need frames and scripts, which this page does not allow
      "force new connection": true,
      "reconnection limit": 8000,
      "max reconnection attempts": Infinity
    });
    listen(socket);
  }

  function listen(current) {
    /** Hear an event as long as this connection is the page's. */
    function on(event, hear) {
      current.on(event, function () {
        if (current === socket) hear.apply(null, arguments);
      });
    }

    on("connect", function () {
      write($("status"), "Connected over " + current.socket.transport.name);
    });
    on("disconnect", function (reason) {
      welcomed = false;
      if (reason === "booted") { // the client takes a server's goodbye as final
        leave("The server has ended this connection: it stops, or the chat goes on in another tab.");
      } else {
        write($("status"), "Connection lost. Reconnecting…");
      }
    });
    on("connect_failed", refused);
    on("error", function () {
      if (!seated) refused(); // else the client tries again
    });
    on("welcome", function (view, received) {
      welcome(view);
      if (received) received();
    });
    on("said", function (message, received) {
      add(message);
      received();
    });
    on("delivered", confirm);
    on("came", function (person) {
      people[person.id] = person;
      showPeople();
      note(person.name + " came in");
    });
    on("changed", function (person) {
      people[person.id] = person;
      showPeople();
    });
    on("left", function (person) {
      delete people[person.id];
      showPeople();
      note(person.name + " left");
    });
  }

  /** The protocol of 2011 has no words for a refusal: what may be wrong is said here. */
  function refused() {
    leave("The chat did not let you in. Choose a nickname of 1 to 24 characters that nobody else has; " +
      "if that is not it, the server cannot be reached, or the chat is full.");
  }

  function leave(why) {
    var former = socket;
    socket = null;
    welcomed = seated = false;
    if (former) former.disconnect();
    own = {};
    write($("status"), "Not connected");
    write($("refusal"), why);
    show("login");
    $("name").focus();
  }

  // ---- the conversation

  function welcome(view) {
    var at, key;
    if (!view.back || !seated) shown = {}; // ids, or the page, begin anew
    me = view.id;
    people = {};
    for (at = 0; at < view.here.length; at++) people[view.here[at].id] = view.here[at];
    if (!seated) write($("log"), "");
    write($("title"), view.room);
    show("chat");
    showPeople();
    for (at = 0; at < view.receipts.length; at++) confirm(view.receipts[at]);
    for (at = 0; at < view.messages.length; at++) add(view.messages[at]);
    if (seated && !view.back) note("You were away too long for your place to be kept. What was said meanwhile is missing here.");
    note((view.back ? "You are back in " : "You are in ") + view.room + ".");
    welcomed = seated = true;
    for (key in own) if (own.hasOwnProperty(key) && !own[key].isThere) send(key);
    $("text").focus();
  }

  function showPeople() {
    var list = $("people"), id, item, person;
    write(list, "");
    for (id in people) {
      if (people.hasOwnProperty(id)) {
        person = people[id];
        item = make("li", "", person.name + (id === me ? " (you) " : " "));
        item.appendChild(make("span", "way", person.away ? "connection lost" : person.transport + ", " + person.generation));
        list.appendChild(item);
      }
    }
  }

  function build(who, text, milliseconds) {
    var line = make("li", "message", ""), time = new Date(milliseconds), minutes = time.getMinutes();
    line.appendChild(make("b", "", who + ": "));
    line.appendChild(make("span", "text", text));
    line.appendChild(make("span", "time", " " + time.getHours() + (minutes < 10 ? ":0" : ":") + minutes + " "));
    return line;
  }

  function add(message) {
    if (shown[message.id]) return;
    shown[message.id] = true;
    append(build(message.by === me ? "You" : message.name, message.text, message.at));
  }

  function say(text) {
    var key = random() + "-" + (++count), line = build("You", text, +new Date());
    own[key] = { text: text, mark: make("span", "mark", ""), got: 0, isThere: false };
    line.appendChild(own[key].mark);
    append(line);
    send(key);
  }

  /** Send it, or send it again: the key makes sure that it is said once. */
  function send(key) {
    var entry = own[key];
    write(entry.mark, "…");
    socket.emit("say", entry.text, key, function (answer) {
      if (!answer.error) return confirm(answer);
      delete own[key];
      entry.mark.className = "failed";
      write(entry.mark, "Not sent. " + answer.error);
    });
  }

  /** Take a receipt: one tick when the server has it, two when all others have it, which an older receipt cannot undo. */
  function confirm(receipt) {
    var entry = own[receipt.key];
    if (!entry) return;
    shown[receipt.id] = entry.isThere = true;
    entry.got = Math.max(entry.got, receipt.got);
    if (receipt.of === 0) write(entry.mark, "✓ only you");
    else write(entry.mark, entry.got < receipt.of ? "✓" : "✓✓");
    if (entry.got >= receipt.of) delete own[receipt.key];
  }

  // ---- what the person does

  $("login").onsubmit = function () {
    name = $("name").value;
    write($("refusal"), "");
    if (!socket) connect($("room").value);
    return false;
  };

  $("say").onsubmit = function () {
    var text = $("text").value.replace(/^\s+|\s+$/g, "");
    if (text && welcomed) { // else it stays in its field until there is a connection
      $("text").value = "";
      say(text);
    }
    return false;
  };

  $("leave").onclick = function () {
    leave("");
  };

  if (window.io) {
    write($("status"), "Not connected");
    show("login");
    $("name").focus();
  } else {
    write($("status"), "No Socket.IO client");
    show("missing");
  }
}());
