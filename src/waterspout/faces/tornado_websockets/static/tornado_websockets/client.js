/* The browser's side of tornado_websockets: {% static "tornado_websockets/client.js" %}, then TornadoWebSocket. */
(() => {
  "use strict";

  const MOST_WAITING = 1000; // events emitted while there is no connection; the oldest are dropped
  const PAUSES = [500, 10_000]; // ms before the first attempt to connect again, and at most
  const isForGood = (code) => code === 1000 || code >= 4000; // the application has closed it

  /**
   * A connection to a WebSocket of the server, by its path. It connects at once, and again when it is lost.
   *
   * options: `host` and `port`, those of the page if they are not given; `secure`: wss, as a page of https has it.
   * Events of its own are "open", "close" (with `code` and `reason`) and "error".
   */
  class TornadoWebSocket {
    constructor(path, { host, port, secure } = {}) {
      const page = globalThis.location ?? { protocol: "http:", hostname: "localhost", port: "" };
      const scheme = (secure ?? page.protocol === "https:") ? "wss" : "ws";
      const shown = port ?? (host === undefined ? page.port : "");
      this.url = `${scheme}://${host ?? page.hostname}${shown === "" ? "" : `:${shown}`}/ws/${path.trim().replace(/^\//, "")}`;
      this.modules = [];
      this._handlers = new Map();
      this._waiting = [];
      this._attempts = 0;
      this.connect();
    }

    /** Call back with the data of each event of this name. Returns this. */
    on(event, callback) {
      if (typeof callback !== "function") throw new TypeError(`the handler of "${event}" is no function`);
      this._handlers.set(event, [...(this._handlers.get(event) ?? []), callback]);
      return this;
    }

    /** Send an event, at once or when there is a connection. A string is sent as {message: string}. Returns this. */
    emit(event, data = {}) {
      const message = JSON.stringify({ event, data: typeof data === "object" ? data : { message: data } });
      if (this.websocket?.readyState === WebSocket.OPEN) this.websocket.send(message);
      else if (this._waiting.push(message) > MOST_WAITING) this._waiting.shift();
      return this;
    }

    /** Add a module, which shares the connection. Returns the module. */
    bind(module) {
      module.attach(this);
      this.modules.push(module);
      return module;
    }

    /** Connect again, after `close` or a refusal; in place of a connection that there is. */
    connect() {
      clearTimeout(this._timer);
      this._isClosed = false;
      this._drop();
      const websocket = (this.websocket = new WebSocket(this.url));
      websocket.onopen = (event) => {
        this._openedAt = Date.now();
        for (const message of this._waiting.splice(0)) websocket.send(message);
        this._call("open", event);
      };
      websocket.onmessage = ({ data }) => typeof data === "string" && this._receive(data);
      websocket.onerror = (event) => this._call("error", event);
      websocket.onclose = (event) => {
        if (!this._isClosed && !isForGood(event.code)) this._connectLater();
        this._call("close", event);
      };
    }

    /** Close the connection, and do not connect again. */
    close() {
      this._isClosed = true;
      clearTimeout(this._timer);
      this.websocket.close();
    }

    _drop() {
      if (!this.websocket) return;
      for (const name of ["onopen", "onmessage", "onerror", "onclose"]) this.websocket[name] = null;
      this.websocket.close();
    }

    _connectLater() {
      const [first, longest] = PAUSES;
      if (Date.now() - this._openedAt > longest) this._attempts = 0;
      const pause = Math.min(first * 2 ** this._attempts++, longest);
      this._timer = setTimeout(() => this.connect(), pause * (0.5 + Math.random() / 2));
    }

    _receive(text) {
      const { event, data, args } = JSON.parse(text);
      this._call(event, data ?? args?.[0] ?? {});
    }

    _call(event, data) {
      for (const callback of this._handlers.get(event) ?? []) callback(data);
    }
  }

  /** The base of modules: its events are `<name>_<event>` on the wire, as those of the server's module of that name. */
  class Module {
    constructor(name) {
      this.name = name;
      this._early = [];
    }

    on(event, callback) {
      if (this.websocket) this.websocket.on(`${this.name}_${event}`, callback);
      else this._early.push([event, callback]);
      return this;
    }

    emit(event, data) {
      this.websocket.emit(`${this.name}_${event}`, data);
      return this;
    }

    attach(websocket) {
      this.websocket = websocket;
      for (const [event, callback] of this._early.splice(0)) this.on(event, callback);
    }
  }

  /** A bar that shows what the server's ProgressBar of this name does; `render` puts it into an element. */
  class ProgressBar extends Module {
    constructor(name) {
      super(name);
      this.state = { min: 0, max: 100, value: 0, indeterminate: false, label: "", done: false };
      this.on("update", (state) => this._update(state));
    }

    render(element) {
      const [label, bar] = ["label", "progress"].map((name) => document.createElement(name));
      label.append(document.createElement("span"), bar);
      element.append(label);
      this._element = label;
      this._update(this.state);
      return this;
    }

    _update(state) {
      this.state = state;
      if (!this._element) return;
      const [text, bar] = this._element.children;
      text.textContent = state.label ?? "";
      bar.max = state.max - state.min;
      if (state.indeterminate && !state.done) bar.removeAttribute("value");
      else bar.value = state.value - state.min;
    }
  }

  TornadoWebSocket.modules = { Module, ProgressBar };
  globalThis.TornadoWebSocket = TornadoWebSocket;
})();
