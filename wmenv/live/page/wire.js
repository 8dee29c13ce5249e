// One WebSocket to the server: JSON both ways, pictures in binary. It comes back by itself after a break, as the same
// visitor, so the server can hand the session back. Knows nothing of the page.

const WAITS_MS = [200, 500, 1000, 2000, 4000];
const KEY = "wmenv-visitor";

/** Who we are: as long as the tab lives, through every reload. */
function visitor() {
  let key = sessionStorage.getItem(KEY);
  if (!key) {
    key = Array.from(crypto.getRandomValues(new Uint8Array(18)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem(KEY, key);
  }
  return key;
}

export class Wire {
  /** `on` has a function per kind of message, and `linked`, `lost`, `shown`. */
  constructor(on) {
    this.on = on;
    this.visitor = visitor();
    this.tries = 0;
    this.final = false;
    addEventListener("online", () => this.again());
    addEventListener("pagehide", () => { this.final = true; this.socket?.close(); });
    addEventListener("pageshow", (event) => { if (event.persisted) { this.final = false; this.connect(); } });
    this.connect();
  }

  connect() {
    const address = new URL("live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    const socket = this.socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.send({ kind: "hello", visitor: this.visitor, room: roomAsked() });
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.hear(JSON.parse(data)) : this.on.shown(unpack(data)));
    socket.onclose = ({ code, reason }) => { if (socket === this.socket) this.broke(code, reason); };
  }

  hear(message) {
    if (message.kind === "welcome") { this.tries = 0; this.on.linked(); }
    this.on[message.kind]?.(message);
  }

  broke(code, reason) {
    const refused = code >= 4000 && code < 4100;  // the server said why, and asking again would not help
    this.final ||= refused;
    this.on.lost(reason, this.final);
    if (this.final) return;
    const wait = WAITS_MS[Math.min(this.tries++, WAITS_MS.length - 1)];
    this.timer = setTimeout(() => this.connect(), wait);
  }

  /** Try at once, as a person asks for it. */
  again() {
    if (this.socket.readyState <= WebSocket.OPEN) return;
    clearTimeout(this.timer);
    this.final = false;
    this.connect();
  }

  send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }
}

/** The room that the address names, if it names one: `#room=...`. */
export function roomAsked() {
  return new URLSearchParams(location.hash.slice(1)).get("room");
}

/** A binary message: the size of its JSON in four bytes, big end first, the JSON, then blobs, whose sizes `blobs` gives. */
export function unpack(data) {
  const size = new DataView(data).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
  let at = 4 + size;
  const blobs = header.blobs.map((bytes) => new Uint8Array(data, (at += bytes) - bytes, bytes));
  header.views.forEach((view, place) => { view.data = blobs[place]; });
  header.sound = header.audio ? blobs.at(-1) : null;
  return header;
}
