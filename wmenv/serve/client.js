// A client of `wmenv serve` for browsers and Node: a module without a build, and without anything beside it.
//
// Every method is a request of docs/protocol.md and resolves to its answer; frames and sound come as Uint8Array. If the
// connection breaks, it connects again as the same client and asks again for what was not answered: steps have numbers,
// so none is made twice. What it cannot do is make sessions again that a server has lost; `SessionError` says so.

const PROTOCOL = 1;
const SIZE_BYTES = 4;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;
const FATAL = new Set([1008, 1009]); // closing codes that another try would meet again

/** A message as what is sent: text, or bytes if there are blobs beside it. */
export function pack(message, blobs = []) {
  if (!blobs.length) return JSON.stringify(message);
  const head = new TextEncoder().encode(JSON.stringify({ ...message, blobs: blobs.map((blob) => blob.byteLength) }));
  const parts = [head, ...blobs.map((blob) => new Uint8Array(blob.buffer ?? blob, blob.byteOffset ?? 0, blob.byteLength))];
  const data = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, SIZE_BYTES));
  new DataView(data.buffer).setUint32(0, head.byteLength);
  let place = SIZE_BYTES;
  for (const part of parts) {
    data.set(part, place);
    place += part.byteLength;
  }
  return data;
}

/** The message that `pack` wrote; `blobs` are its blobs, as views of the same bytes. */
export function unpack(data) {
  if (typeof data === "string") return { ...JSON.parse(data), blobs: [] };
  let place = SIZE_BYTES + new DataView(data).getUint32(0);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(data, SIZE_BYTES, place - SIZE_BYTES)));
  const blobs = (message.blobs ?? []).map((size) => {
    place += size;
    return new Uint8Array(data, place - size, size);
  });
  return { ...message, blobs };
}

/** What the server refused, or that it is gone: `code` and more as the protocol has them. */
export class ServerRefusal extends Error {
  constructor({ message, ...facts }) {
    super(message);
    Object.assign(this, facts);
  }
}

/** A name that only its owner knows; with the same name a page that was loaded again finds its sessions. */
export function newName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** One client of one server. `await new Client(url).ready`, then ask. */
export class Client {
  /** `token` is what `wmenv serve` printed, if it did; `patienceMs` how long a server may be away. */
  constructor(url, { name = newName(), token = null, patienceMs = 30000, onState = () => {} } = {}) {
    Object.assign(this, { name, patienceMs, onState });
    this.url = new URL(url);
    if (token !== null) this.url.searchParams.set("token", token);
    this.facts = null; // what hello answered last: world, limits, boot
    this.asked = new Map(); // what was not answered yet, by its id, in the order in which it was asked
    this.lastId = 0;
    this.closed = false;
    this.ready = this.connect();
    this.ready.catch(() => {}); // whoever waits for it hears of it
  }

  open(starts, seeds, { codec = "jpeg", blobs = [] } = {}) {
    return this.ask({ op: "open", starts, seeds, codec }, blobs);
  }

  /** `moves` are `{session, step, action, direction}`. */
  advance(moves, { codec = "jpeg" } = {}) {
    return this.ask({ op: "advance", moves, codec });
  }

  direct(session, text, { lock = null, ticket = newName() } = {}) {
    return this.ask({ op: "direct", session, ticket, direction: { text, lock } });
  }

  snapshot(sessions) {
    return this.ask({ op: "snapshot", sessions });
  }

  restore(snapshots) {
    return this.ask({ op: "restore", snapshots });
  }

  /** New sessions out of bytes that `save` gave, which were at `step`. */
  revive(moment, step = 0) {
    return this.ask({ op: "restore", moment: 0, step }, [moment]);
  }

  /** The bytes of sessions and snapshots are the `blobs` of the answer. */
  save(sessions, snapshots = [], together = false) {
    return this.ask({ op: "export", sessions, snapshots, together });
  }

  fork(sessions) {
    return this.ask({ op: "fork", sessions });
  }

  describe(sessions) {
    return this.ask({ op: "describe", sessions });
  }

  status(sessions = []) {
    return this.ask({ op: "status", sessions });
  }

  release(sessions, snapshots = []) {
    return this.ask({ op: "close", sessions, snapshots });
  }

  /** Hang up for good. */
  close() {
    this.fail(new ServerRefusal({ code: "Closed", message: "this client was closed." }));
  }

  /** Any request; resolves to its answer, with what was `shown` carrying its bytes, or rejects with a refusal. */
  ask(message, blobs = []) {
    if (this.closed) return Promise.reject(new ServerRefusal({ code: "Closed", message: "this client was closed." }));
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      const data = pack({ ...message, id }, blobs);
      this.asked.set(id, { data, resolve, reject });
      if (this.greeted) this.socket.send(data);
    });
  }

  // --- connections -------------------------------------------------------------------------------------------------

  /** Connect, again and again while patience lasts, and ask for what was not answered. */
  async connect() {
    const until = performance.now() + this.patienceMs;
    for (let pause = FIRST_PAUSE_MS; !this.closed; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        await this.greet();
        for (const { data } of this.asked.values()) this.socket.send(data);
        this.onState("open");
        return this.facts;
      } catch (problem) {
        if (problem instanceof ServerRefusal || performance.now() > until) {
          this.fail(problem);
          throw problem;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    throw new ServerRefusal({ code: "Closed", message: "this client was closed." });
  }

  /** One connection, up to the answer to hello. */
  greet() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.url);
      socket.binaryType = "arraybuffer";
      this.socket = socket;
      const hello = { op: "hello", id: 0, protocol: PROTOCOL, client: this.name };
      socket.onopen = () => socket.send(pack(hello));
      socket.onmessage = ({ data }) => {
        const answer = unpack(data);
        if (answer.error) return reject(new ServerRefusal(answer.error));
        this.facts = answer;
        this.greeted = true;
        socket.onmessage = (event) => this.hear(unpack(event.data));
        return resolve();
      };
      socket.onclose = ({ code, reason }) => {
        const problem = { code, message: `the connection to ${this.url.origin} ended (${code}). ${reason}` };
        const was = this.greeted && socket === this.socket;
        this.greeted = false;
        if (FATAL.has(code)) this.fail(new ServerRefusal(problem));
        reject(FATAL.has(code) ? new ServerRefusal(problem) : new Error(problem.message));
        if (was && !this.closed) {
          this.onState("away");
          this.ready = this.connect();
          this.ready.catch(() => {});
        }
      };
    });
  }

  hear({ re, error, ...answer }) {
    const asked = this.asked.get(re);
    if (!asked) return;
    this.asked.delete(re);
    if (error) asked.reject(new ServerRefusal(error));
    else asked.resolve({ ...answer, shown: answer.shown?.map((sight) => withBytes(sight, answer.blobs)) });
  }

  fail(problem) {
    this.closed = true;
    this.socket?.close();
    for (const { reject } of this.asked.values()) reject(problem);
    this.asked.clear();
    this.onState("closed");
  }
}

/** What was shown, with bytes in the place of the places of blobs. */
function withBytes(sight, blobs) {
  const audio = sight.audio === undefined ? undefined : samples(blobs[sight.audio]);
  return { ...sight, frames: sight.frames?.map((place) => blobs[place]), audio };
}

/** PCM as numbers; copied, because a blob need not begin at an even byte. */
function samples(blob) {
  return new Int16Array(blob.slice().buffer);
}
