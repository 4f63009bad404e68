/** A browser that tests hold in their hands: clock, sockets, storage, network, page events. */

/** Let everything run that waits for nothing but a turn of the event loop. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  await new Promise((done) => setImmediate(done));
}

export class FakeClock {
  now = 1_767_323_045_678;
  #timers = new Map();
  #next = 1;

  setTimeout = (run, ms) => {
    const timer = this.#next++;
    this.#timers.set(timer, { due: this.now + ms, run });
    return timer;
  };

  clearTimeout = (timer) => this.#timers.delete(timer);

  /** Milliseconds until each timer that is set, soonest first. */
  get waits() {
    return [...this.#timers.values()].map(({ due }) => due - this.now).sort((a, b) => a - b);
  }

  /** Let time pass, with every timer at its moment. */
  async advance(ms) {
    const end = this.now + ms;
    await settle();
    for (;;) {
      const [timer, next] = [...this.#timers].sort(([, a], [, b]) => a.due - b.due)[0] ?? [];
      if (!next || next.due > end) break;
      this.#timers.delete(timer);
      this.now = Math.max(this.now, next.due);
      next.run();
      await settle();
    }
    this.now = end;
    await settle();
  }

  /** Let time pass as in a frozen page: what is due fires late. */
  async freeze(ms) {
    this.now += ms;
    await this.advance(0);
  }
}

export class FakeSocket {
  readyState = 0;
  sent = [];
  closedWith = null;

  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close(code) {
    this.readyState = 3;
    this.closedWith = code;
  }

  // What the network and the server do.
  open() {
    this.readyState = 1;
    this.onopen?.({});
  }
  receive(frame) { this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) }); }
  lose(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  /** The frames of one type that the client sent. */
  frames(type) { return this.sent.filter((frame) => frame.type === type); }
}

export class FakeStorage {
  values = new Map();
  full = false;
  getItem(key) { return this.values.get(key) ?? null; }
  setItem(key, value) {
    if (this.full) throw new DOMException("full", "QuotaExceededError");
    this.values.set(key, String(value));
  }
  removeItem(key) { this.values.delete(key); }
}

/** Broadcast channels among the environments that share one. */
export class FakeAir {
  members = [];
  channel = (name) => {
    const member = {
      name,
      onmessage: null,
      postMessage: (data) => {
        for (const other of this.members) {
          if (other !== member && other.name === name) queueMicrotask(() => other.onmessage?.({ data: structuredClone(data) }));
        }
      },
      close: () => this.members.splice(this.members.indexOf(member), 1),
    };
    this.members.push(member);
    return member;
  };
}

/** An `Environment` whose parts are public. */
export class FakeEnvironment {
  clock;
  sockets = [];
  requests = [];
  hidden = false;
  focused = true;
  online = true;
  chance = 0.5;
  cookie = "a=1; csrftoken=crumb%3D; b=2";
  base = "https://app.example/home";
  /** Answers by path; a function gets the request. */
  answers = { "token/": { access: "access-token", expires_at: "2026-01-02T04:00:00.000Z" } };
  #handlers = new Map();

  constructor({ clock = new FakeClock(), storage = new FakeStorage(), air = null } = {}) {
    this.clock = clock;
    this.storage = storage;
    this.setTimeout = clock.setTimeout;
    this.clearTimeout = clock.clearTimeout;
    this.channel = (name) => air?.channel(name) ?? null;
    const environment = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url, protocols) {
        super(url, protocols);
        environment.sockets.push(this);
      }
    };
  }

  now = () => this.clock.now;
  random = () => this.chance;
  cookies = () => this.cookie;

  on = (name, run) => {
    const runs = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, runs.add(run));
    return () => runs.delete(run);
  };

  fire(name, event = {}) { for (const run of [...(this.#handlers.get(name) ?? [])]) run(event); }
  get listeners() { return [...this.#handlers.values()].reduce((sum, runs) => sum + runs.size, 0); }

  fetch = async (url, init = {}) => {
    const path = url.replace(/^.*\/api\/notifications\//, "");
    const request = { url, path, ...init, body: init.body ? JSON.parse(init.body) : undefined };
    this.requests.push(request);
    let answer = this.answers[path] ?? this.answers["*"] ?? 404;
    if (typeof answer === "function") answer = await answer(request);
    if (answer instanceof Error) throw answer;
    const status = typeof answer === "number" ? answer : 200;
    return { ok: status < 400, status, json: async () => answer };
  };

  get socket() { return this.sockets.at(-1); }
  get openSockets() { return this.sockets.filter((socket) => socket.readyState < 2); }
}

const hex = (n) => n.toString(16).padStart(12, "0");

/** The id of the nth item: ids sort by n. */
export const id = (n) => `01a207b6-45ac-776c-a9b4-${hex(n)}`;

/** The nth item of an inbox. */
export const item = (n, fields = {}) => ({
  type: "notification", id: id(n), audience: "user", kind: "general", level: "info", title: `Item ${n}`, body: "",
  url: null, data: {}, ref: null, display: "popup", confirm: false, created_at: "2026-01-02T03:04:05.678Z",
  expires_at: null, read_at: null, live: false, ...fields,
});

export const welcome = (fields = {}) => ({
  type: "welcome", protocol: 1, connection: "c1", uid: "7", server_time: "2026-01-02T03:04:05.678Z",
  heartbeat: { interval: 25, timeout: 35 }, token_expires_at: "2026-01-02T04:00:00.000Z", unread: 0, ...fields,
});

export const inbox = (items = [], fields = {}) => ({ type: "inbox", items, unread: items.length, more: false, ...fields });

/** What `target` dispatches, as it comes: `[type, detail]`. */
export function record(target, ...types) {
  const seen = [];
  for (const type of types) target.addEventListener(type, (event) => seen.push([type, event.detail]));
  return seen;
}

/** Open the newest socket and greet. */
export async function greet(environment, items = [], fields = {}) {
  await settle();
  const { socket } = environment;
  socket.open();
  socket.receive(welcome({ unread: items.length, ...fields }));
  socket.receive(inbox(items));
  await settle();
  return socket;
}
