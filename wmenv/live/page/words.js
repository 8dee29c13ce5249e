// The direction box: suggestions of what this world understands, and for each direction a receipt that tells what became
// of it. Knows nothing of how a world reads.

import { $, h } from "./dom.js";

const KEPT = 30;

export class Words {
  constructor(send) {
    this.send = send;
    this.lines = new Map();
    this.next = 1;
    this.past = [];
    $("words").addEventListener("submit", (event) => { event.preventDefault(); this.direct($("direction").value); });
    $("direction").addEventListener("keydown", (event) => this.recall(event));
  }

  learn(spec) {
    $("words").hidden = !spec.directions;
    $("receipts").hidden = !spec.directions;
    if (this.suggested === spec.suggestions.join("\n")) return;
    this.suggested = spec.suggestions.join("\n");
    $("suggestions").replaceChildren(...spec.suggestions.map((text) => h("option", { value: text })));
    $("chips").replaceChildren(...spec.suggestions.map((text) => h("button", { type: "button", onclick: () => this.direct(text) }, text)));
    this.empty();
  }

  direct(text) {
    text = text.trim();
    if (!text) return void $("direction").focus();
    const id = this.next++;
    if (!this.send({ kind: "direct", text, id })) return;
    this.past.unshift(text);
    $("direction").value = "";
    this.add(`mine ${id}`, text, "sent");
  }

  /** Arrow up in an empty box brings the last direction back. */
  recall(event) {
    if (event.key !== "ArrowUp" || $("direction").value || !this.past.length) return;
    event.preventDefault();
    $("direction").value = this.past[0];
  }

  add(key, text, note) {
    const line = h("li", {}, h("q", {}, text), h("span", {}, note));
    $("receipts").querySelector(".empty")?.remove();
    $("receipts").prepend(line);
    this.lines.set(key, line);
    while ($("receipts").children.length > KEPT) $("receipts").lastChild.remove();
    return line;
  }

  /** What the server says of a direction, ours or another's. */
  receipt({ id, by, mine, text, state, reason, received_at: received, applied_at: applied, effect_at: effect, waited_ms: waited }) {
    const key = mine ? `mine ${id}` : `${by} ${id}`;
    const line = this.lines.get(key) ?? this.add(key, text, "");
    line.dataset.state = state;
    const words = {
      received: `received at ${received}`,
      applied: `received at ${received}, applied at ${applied} (${Math.round(waited)} ms)` + (effect === null ? "" : `, seen from ${effect}`),
      refused: reason,
    };
    line.lastChild.textContent = words[state];
  }

  empty() {
    this.lines.clear();
    $("receipts").replaceChildren(h("li", { className: "empty" }, "What you direct appears here: when it was received, applied, and seen."));
  }
}
