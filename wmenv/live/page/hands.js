// Keys, touch and gamepads, all from the world's action table, and on the screen what does what. A tap is one step; what
// is held goes on at the world's pace after a moment. Knows nothing of pictures.

import { $, h } from "./dom.js";
import { buttonsOf, called, Pads } from "./pads.js";

const HOLD_MS = 260;  // a press longer than this goes on
const SPARE_KEYS = [..."1234567890yuiophjklzxcvbnm"];
/** What keys are called on the screen. */
export const NAMES = { ArrowLeft: "\u2190", ArrowRight: "\u2192", ArrowUp: "\u2191", ArrowDown: "\u2193", " ": "Space" };

/** Which key does which action; a table that names no keys gets the digits and some letters. */
export function keysOf(table) {
  const named = Object.entries(table.keys ?? {});
  if (named.length || table.kind !== "discrete") return new Map(named);
  return new Map(table.names.slice(0, SPARE_KEYS.length).map((_, action) => [SPARE_KEYS[action], action]));
}

export class Hands {
  /** `act` is told of presses (action, when), `hold` of what is held (or null). */
  constructor({ act, hold }) {
    Object.assign(this, { act, hold });
    this.down = new Map();  // what is pressed by which key, pointer or button -> action
    this.table = null;
    $("stage").addEventListener("pointerdown", () => $("stage").focus({ preventScroll: true }));
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("keyup", (event) => this.release(`key ${event.code}`));
    addEventListener("blur", () => this.letGo());
    document.addEventListener("visibilitychange", () => document.hidden && this.letGo());
    this.pads = new Pads({
      press: (by, action) => this.press(by, action, performance.now()),
      release: (by) => this.release(by),
      lean: (field, pushed) => this.lean(field, pushed),
      heard: () => document.hasFocus() && !isWriting(document.activeElement),
      came: () => $("hands").classList.add("padded"),
    });
  }

  learn(table) {
    if (this.table && JSON.stringify(this.table) === JSON.stringify(table)) return;
    this.letGo();
    this.table = table;
    this.keys = keysOf(table);
    this.values = Array.isArray(table.noop) ? [...table.noop] : table.names.map(() => 0);
    this.buttons = new Map();
    this.sliders = new Map();
    const actions = [...table.names.keys()];
    this.pad = buttonsOf(actions.filter((action) => this.isSwitch(action) && action !== table.noop), this.keys);
    this.pads.learn(this.pad, table.kind === "box" ? actions.filter((field) => !this.isSwitch(field)) : []);
    $("hands").replaceChildren(...table.names.map((name, action) => this.control(name, action)));
  }

  control(name, action) {
    if (!this.isSwitch(action)) return this.slider(name, action);
    const caps = [...this.keys].filter(([, does]) => does === action).map(([key]) => h("kbd", {}, NAMES[key] ?? key));
    const pad = [...this.pad].filter(([button, does]) => does === action && called(button)).map(([button]) => h("kbd", { className: "pad" }, called(button)));
    const does = { "data-action": action, type: "button", title: name };
    const button = h("button", { ...does,
      onpointerdown: (event) => { button.setPointerCapture?.(event.pointerId); this.press(`pointer ${event.pointerId}`, action, event.timeStamp); },
      onpointerup: (event) => { this.release(`pointer ${event.pointerId}`); $("stage").focus({ preventScroll: true }); },
      onpointercancel: (event) => this.release(`pointer ${event.pointerId}`),
      onclick: (event) => { if (event.detail === 0) { this.press("button", action, event.timeStamp); this.release("button"); } },
      oncontextmenu: (event) => event.preventDefault(),
    }, name.replaceAll("_", " "), ...caps, ...pad);
    this.buttons.set(action, button);
    return button;
  }

  /** Whether there is nothing between doing it and not. */
  isSwitch(action) {
    if (this.table.kind === "discrete") return true;
    return this.table.kind === "multi_discrete" ? this.table.sizes[action] === 2 : this.table.low[action] === 0;
  }

  slider(name, field) {
    const whole = this.table.kind === "multi_discrete";
    const [low, high] = whole ? [0, this.table.sizes[field] - 1] : [Math.max(this.table.low[field] ?? -1, -1), Math.min(this.table.high[field] ?? 1, 1)];  // null is infinite
    const value = h("output", {}, String(this.values[field]));
    const input = h("input", { type: "range", min: low, max: high, step: whole ? 1 : 0.05, value: this.values[field], "aria-label": name,
      oninput: () => { this.values[field] = Number(input.value); value.textContent = input.value; this.hold(this.action()); } });
    this.sliders.set(field, input);
    return h("label", { className: "field" }, name, input, value);
  }

  /** A stick moves a slider: pushed from -1 to 1, at rest in the middle. */
  lean(field, pushed) {
    const input = this.sliders.get(field);
    input.value = pushed < 0 ? -pushed * input.min : pushed * input.max;
    input.dispatchEvent(new Event("input"));
  }

  /** What is done now: the action pressed last, or every field as it is set. */
  action() {
    if (this.table.kind === "discrete") return [...this.down.values()].at(-1) ?? null;
    const values = [...this.values];
    for (const field of this.down.values()) values[field] = this.table.kind === "box" ? this.table.high[field] : 1;
    return values;
  }

  press(by, action, when) {
    if (this.down.has(by)) return;
    this.down.set(by, action);
    this.buttons.get(action)?.classList.add("down");
    if (this.table.kind !== "discrete") return void this.hold(this.action());
    this.act(action, when);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.down.size && this.hold(this.action()), HOLD_MS);
  }

  release(by) {
    if (!this.down.has(by)) return;
    const action = this.down.get(by);
    this.down.delete(by);
    if (![...this.down.values()].includes(action)) this.buttons.get(action)?.classList.remove("down");
    if (!this.down.size) clearTimeout(this.timer);
    this.hold(this.action());
  }

  letGo() { for (const by of [...this.down.keys()]) this.release(by); }

  key(event) {
    if (!this.table || event.repeat && this.down.has(`key ${event.code}`)) return void (this.takes(event) && event.preventDefault());
    if (!this.takes(event)) return;
    event.preventDefault();
    this.press(`key ${event.code}`, this.keys.get(keyOf(event)), event.timeStamp);
  }

  /** Whether a key is meant for the world, and not for whatever has the focus. */
  takes(event) {
    return Boolean(this.table) && !event.ctrlKey && !event.metaKey && !event.altKey && this.keys.has(keyOf(event)) && !isTyping(event);
  }
}

function keyOf(event) { return event.key.length === 1 ? event.key.toLowerCase() : event.key; }

/** Whether whatever has the focus takes text, or lies over the page. */
function isWriting(at) {
  return at.matches("input:not([type=checkbox], [type=range]), textarea") || Boolean(at.closest("dialog"));
}

/** Whether a key press belongs to an input, a menu, or a button that Space and Enter press. */
export function isTyping(event) {
  const at = event.target;
  if (!(at instanceof Element)) return false;
  if (at.matches("input:not([type=checkbox]), select, textarea") || at.closest("dialog")) return true;
  return at.matches("button, summary, a, input") && (event.key === " " || event.key === "Enter");
}
