// Gamepads: the cross and the left stick do what the arrow keys do, the other buttons what is left, in order, and fields
// that are more than on or off follow the sticks. A browser tells nothing of a pad by itself, so it is asked at every frame.
// Knows nothing of the page.

const ARROWS = { 12: "ArrowUp", 13: "ArrowDown", 14: "ArrowLeft", 15: "ArrowRight" };
const CALLED = ["A", "B", "X", "Y", "LB", "RB", "LT", "RT"];  // as most pads have it printed on them
const LEANS = 0.5, RESTS = 0.35;  // two bounds, so that a trembling thumb does not press twice
const DEAD = 0.15;  // no stick comes to rest in the very middle
const STICKS = 4;  // axes of two sticks

/** Which button does which action of these, when keys do what `keys` says. */
export function buttonsOf(actions, keys) {
  const arrows = Object.entries(ARROWS).filter(([, key]) => keys.has(key)).map(([button, key]) => [Number(button), keys.get(key)]);
  const taken = arrows.map(([, action]) => action), rest = actions.filter((action) => !taken.includes(action));
  return new Map([...arrows, ...rest.slice(0, CALLED.length).entries()]);
}

/** What is printed on a button; the arrows are called as their keys are. */
export function called(button) { return CALLED[button]; }

export class Pads {
  /** `press` and `release` are told of buttons, `lean` how far a field's stick is pushed, `came` of the first pad;
   *  `heard` says whether pads act just now. */
  constructor(told) {
    Object.assign(this, told);
    this.down = new Set();
    this.leant = new Map();
    addEventListener("gamepadconnected", () => this.listen());
  }

  /** From now on these buttons do these actions, and these fields follow the sticks. */
  learn(buttons, fields) {
    Object.assign(this, { buttons, fields: fields.slice(0, STICKS) });
  }

  listen() {
    this.came();
    if (this.listening) return;
    this.listening = true;
    requestAnimationFrame(() => this.read());
  }

  read() {
    const pads = [...navigator.getGamepads()].filter(Boolean), heard = this.heard();
    const down = heard ? pads.flatMap((pad) => this.pressedOn(pad)) : [];
    for (const [by, action] of down) this.press(by, action);
    const names = new Set(down.map(([by]) => by));
    for (const by of this.down) if (!names.has(by)) this.release(by);
    this.down = names;
    if (heard && pads.length) this.follow(pads[0]);
    this.listening = pads.length > 0;
    if (this.listening) requestAnimationFrame(() => this.read());
  }

  /** What is pressed on a pad, by name, and what that does. */
  pressedOn({ index, axes, buttons }) {
    const [x = 0, y = 0] = axes, pushed = { 12: -y, 13: y, 14: -x, 15: x };
    return [...this.buttons ?? []].map(([button, action]) => [`pad ${index} ${button}`, action, button])
      .filter(([by, , button]) => buttons[button]?.pressed || pushed[button] > (this.down.has(by) ? RESTS : LEANS));
  }

  follow({ axes }) {
    for (const [axis, field] of (this.fields ?? []).entries()) {
      const pushed = Math.abs(axes[axis] ?? 0) < DEAD ? 0 : Math.round(20 * axes[axis]) / 20;
      if (pushed === (this.leant.get(field) ?? 0)) continue;
      this.leant.set(field, pushed);
      this.lean(field, pushed);
    }
  }
}
