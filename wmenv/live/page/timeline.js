// Every moment that was shown, on rails that fork: scrub, branch, go on elsewhere, compare, choose a stretch and save it.
// The server keeps the moments; this draws where they are and says which one is looked at.

import { $, h, saveFile, tell, toast } from "./dom.js";

const KINDS = [
  ["webm", "film, WebM + actions + records"],
  ["mp4", "film, MP4 + actions + records"],
  ["episode", "episode file"],
  ["moment", "this moment, to share"],
];

export class Timeline {
  /** `send` sends, `looked` is told when the moment looked at changes, `fetchFile` brings a file of the room. */
  constructor({ send, looked, fetchFile }) {
    Object.assign(this, { send, looked, fetchFile });
    this.room = null;
    this.at = null;  // {branch, step} looked at; null is now
    this.chosen = [null, null];
    this.rows = new Map();
    $("scrub").addEventListener("input", () => this.scrub(Number($("scrub").value)));
    $("back").addEventListener("click", () => this.move(-1));
    $("resume").addEventListener("click", () => this.look(null));
    $("branch").addEventListener("click", () => this.branch());
    $("from").addEventListener("click", () => this.choose(0));
    $("to").addEventListener("click", () => this.choose(1));
    $("all").addEventListener("click", () => { this.chosen = [null, null]; this.ticked(); });
    $("save").addEventListener("click", () => this.save());
    $("kind").replaceChildren(...KINDS.map(([kind, text]) => h("option", { value: kind }, text)));
  }

  get current() { return this.room.branches.find((branch) => branch.id === this.room.current); }

  /** The moment on the screen. */
  get shown() { return this.at ?? { branch: this.current.id, step: this.current.tip }; }

  learn(room) {
    const moved = this.room && (this.room.room !== room.room || this.room.current !== room.current);
    this.room = room;
    if (moved) this.at = null;
    if (moved || !room.branches.some(({ id }) => id === this.chosen.branch)) this.chosen = [null, null];
    this.rails();
    if (this.at && !room.branches.some((branch) => branch.id === this.at.branch)) this.look(null);
    this.ticked();
  }

  /** The world went on to that step. */
  stepped(branch, step) {
    const grown = this.room?.branches.find(({ id }) => id === branch);
    if (!grown || grown.tip === step) return;
    grown.tip = step;
    this.ticked();
  }

  // --- looking ---

  scrub(step) { this.look(step >= this.current.tip && !this.at?.other ? null : { branch: this.current.id, step }); }

  move(by) {
    const { branch, step } = this.shown, row = this.room.branches.find(({ id }) => id === branch);
    const next = Math.max(row.first, Math.min(row.tip, step + by));
    this.look(branch === this.current.id && next === row.tip ? null : { branch, step: next });
  }

  look(moment) {
    this.at = moment;
    this.ticked();
    this.looked(moment);
  }

  // --- doing ---

  branch() { this.send({ kind: "branch", ...this.shown }); }

  choose(end) {
    const { branch, step } = this.shown;
    if (this.chosen.branch !== branch) this.chosen = [null, null];
    this.chosen.branch = branch;
    this.chosen[end] = step;
    if (this.chosen[0] !== null && this.chosen[1] !== null && this.chosen[0] > this.chosen[1]) this.chosen[1 - end] = step;
    this.ticked();
  }

  /** What would be saved: the stretch chosen, or all of the branch looked at. */
  get stretch() {
    const id = this.chosen.branch ?? this.shown.branch, row = this.room.branches.find((branch) => branch.id === id) ?? this.current;
    return { branch: row.id, from: this.chosen[0] ?? row.first, to: this.chosen[1] ?? row.tip };
  }

  async save() {
    const kind = $("kind").value, moment = kind === "moment";
    const asked = moment ? { kind, branch: this.shown.branch, from: this.shown.step, to: this.shown.step } : { kind, ...this.stretch };
    $("save").disabled = true;
    try {
      const { blob, name } = await this.fetchFile(asked);
      saveFile(blob, name);
    } catch (problem) { toast(problem.message); }
    $("save").disabled = false;
  }

  // --- drawing ---

  rails() {
    const ids = this.room.branches.map(({ id }) => id);
    for (const [id, row] of this.rows) if (!ids.includes(id)) { row.root.remove(); this.rows.delete(id); }
    for (const branch of this.room.branches) {
      if (!this.rows.has(branch.id)) this.rows.set(branch.id, this.rail(branch.id));
      this.dress(this.rows.get(branch.id), branch);
    }
  }

  rail(id) {
    const find = () => this.room.branches.find((branch) => branch.id === id);
    const rail = h("div", { className: "rail", onpointerdown: (event) => this.point(find(), rail, event), onpointermove: (event) => event.buttons && this.point(find(), rail, event) });
    const does = h("div", { className: "does" });
    const root = h("div", { className: "branch", "data-branch": id }, rail, does);
    $("tree").append(root);
    return { root, rail, does, find };
  }

  dress(row, branch) {
    const now = branch.id === this.room.current, twin = branch.id === this.room.twin;
    if (now) row.root.setAttribute("aria-current", "true"); else row.root.removeAttribute("aria-current");
    row.line = h("i", { className: "line" });
    row.chosen = h("i", { className: "chosen" });
    row.name = h("span", {}, branch.name + (twin ? " (beside)" : ""));
    row.marks = branch.marks.map((mark) => [mark.step, h("i", { className: "mark", title: `${mark.step}: ${mark.text}` })]);
    row.rail.replaceChildren(row.name, row.line, row.chosen, ...row.marks.map(([, element]) => element));
    const button = (text, title, onclick) => h("button", { className: "quiet", title, "aria-label": `${title}: ${branch.name}`, onclick }, text);
    const may = this.room.may.move;
    const does = [
      !now && may && button("Go on", "Go on from the end of this branch", () => this.send({ kind: "go", branch: branch.id })),
      !now && may && button(twin ? "Stop" : "Compare", twin ? "Stop comparing" : "Run beside the current branch, with the same actions", () => this.send({ kind: "compare", branch: twin ? null : branch.id })),
      may && button("\u270e", "Name this branch", () => this.rename(branch)),
      !now && may && button("\u00d7", "Remove this branch", () => this.send({ kind: "remove", branch: branch.id })),
    ];
    row.does.replaceChildren(...does.filter(Boolean));
  }

  rename(branch) {
    const row = this.rows.get(branch.id);
    const done = () => { this.send({ kind: "name", branch: branch.id, name: input.value }); input.replaceWith(row.name); $("stage").focus({ preventScroll: true }); };
    const input = h("input", { value: branch.name, maxLength: 60, "aria-label": "Name of the branch", onkeydown: (event) => { if (event.key === "Enter") done(); if (event.key === "Escape") { input.replaceWith(row.name); } } });
    row.name.replaceWith(input);
    input.select();
    input.focus();
  }

  point(branch, rail, event) {
    const { left, width } = rail.getBoundingClientRect();
    const step = Math.round(((event.clientX - left) / width) * this.span);
    const within = Math.max(branch.fork ?? branch.first, Math.min(branch.tip, step));
    this.look(branch.id === this.room.current && within === branch.tip ? null : { branch: branch.id, step: within });
  }

  get span() { return Math.max(1, ...this.room.branches.map(({ tip }) => tip)); }

  /** Only what moves with time. */
  ticked() {
    if (!this.room) return;
    const { branch, step } = this.shown, span = this.span, percent = (value) => `${(100 * value) / span}%`;
    for (const row of this.rows.values()) {
      const { fork, first, tip, id } = row.find(), begins = fork ?? first;
      Object.assign(row.line.style, { left: percent(begins), width: percent(tip - begins) });
      row.name.style.left = `min(${percent(begins)}, calc(100% - 120px))`;
      for (const [at, mark] of row.marks) mark.style.left = percent(at);
      const [from, to] = this.chosen, shown = this.chosen.branch === id && from !== null && to !== null;
      Object.assign(row.chosen.style, shown ? { left: percent(from), width: percent(to - from) } : { width: 0 });
    }
    const scrub = $("scrub"), on = this.room.branches.find(({ id }) => id === branch);
    Object.assign(scrub, { min: this.current.first, max: this.current.tip });
    if (branch === this.current.id) scrub.value = step;
    tell($("where"), this.at ? `${step} of ${on.tip}` : String(step));
    scrub.setAttribute("aria-valuetext", `step ${step} of ${on.tip}`);
    $("resume").hidden = !this.at;
    $("all").hidden = this.chosen.branch === undefined;
    const stretch = this.stretch;
    tell($("range"), `${stretch.from} to ${stretch.to}`);
  }
}
