// The pictures: one canvas per view, scaled by whole factors so that every pixel stays a square, and the veil over them.
// Knows where pixels differ; knows nothing of why.

import { $, h, tell } from "./dom.js";

const APART = 24;  // grey levels by which a pixel differs visibly
const MARK = "#ff7a30";
const FINE = 4;  // a line round pixels is a quarter of one thick

class View {
  constructor(label) {
    this.canvas = h("canvas", { role: "img", "aria-label": label });
    this.over = h("canvas", { className: "over", "aria-hidden": "true" });
    this.label = h("figcaption", {}, label);
    this.root = h("figure", { className: "view" }, this.canvas, this.over, this.label);
    this.ink = this.canvas.getContext("2d", { alpha: false });
    this.pixels = null;
    this.turn = 0;
  }

  /** Make room for pictures of that size. */
  size(width, height) {
    if (this.canvas.width === width && this.canvas.height === height && this.pixels) return;
    Object.assign(this.canvas, { width, height });
    Object.assign(this.over, { width: width * FINE, height: height * FINE });
    this.pixels = this.ink.createImageData(width, height);
    this.pixels.data.fill(255);
    this.stale = false;  // whether the canvas shows something else than `pixels`
    this.fit();
  }

  /** Draw, and say whether any pixel changed. */
  async draw({ enc, data, w, h: height }) {
    this.size(w, height);
    const turn = ++this.turn;
    if (enc === "rgb") return this.paint(data);
    const bitmap = await createImageBitmap(new Blob([data], { type: `image/${enc}` }));
    if (turn === this.turn) {  // else a later one was faster
      this.ink.drawImage(bitmap, 0, 0);
      this.stale = true;
    }
    bitmap.close();
    return true;
  }

  /** What is shown, RGBA; read back from the canvas only when somebody asks. */
  shown() {
    if (this.stale) this.pixels = this.ink.getImageData(0, 0, this.canvas.width, this.canvas.height);
    this.stale = false;
    return this.pixels.data;
  }

  paint(rgb) {
    const rgba = this.pixels.data;
    let changed = false;
    for (let from = 0, to = 0; from < rgb.length; to += 4) {
      for (let channel = 0; channel < 3; channel++, from++) {
        if (rgba[to + channel] !== rgb[from]) { rgba[to + channel] = rgb[from]; changed = true; }
      }
    }
    if (changed) this.ink.putImageData(this.pixels, 0, 0);
    return changed;
  }

  /** Draw a line round all that differs from another view; gives the share of pixels that do. */
  differ(other, shown) {
    if (!this.pixels || other.pixels?.data.length !== this.pixels.data.length) return null;
    const a = this.shown(), b = other.shown(), { width, height } = this.canvas;
    const apart = (at) => Math.max(Math.abs(a[at] - b[at]), Math.abs(a[at + 1] - b[at + 1]), Math.abs(a[at + 2] - b[at + 2])) > APART;
    const differs = Uint8Array.from({ length: width * height }, (_, place) => apart(4 * place));
    const inside = (x, y) => x < 0 || y < 0 || x >= width || y >= height || differs[y * width + x];
    const ink = this.over.getContext("2d");
    ink.clearRect(0, 0, width * FINE, height * FINE);
    ink.fillStyle = MARK;
    for (let place = 0; shown && place < differs.length; place++) {
      if (!differs[place]) continue;
      const x = place % width, y = (place - x) / width, left = x * FINE, top = y * FINE;
      if (!inside(x - 1, y)) ink.fillRect(left, top, 1, FINE);
      if (!inside(x + 1, y)) ink.fillRect(left + FINE - 1, top, 1, FINE);
      if (!inside(x, y - 1)) ink.fillRect(left, top, FINE, 1);
      if (!inside(x, y + 1)) ink.fillRect(left, top + FINE - 1, FINE, 1);
    }
    return differs.reduce((sum, one) => sum + one, 0) / differs.length;
  }

  /** The largest whole number of device pixels per pixel that fits; a picture larger than its place shrinks smoothly. */
  fit() {
    const { clientWidth, clientHeight } = this.root, { width, height } = this.canvas, dense = devicePixelRatio || 1;
    const most = Math.min((clientWidth * dense) / width, (clientHeight * dense) / height);
    if (!(most > 0)) return;
    const factor = (most >= 1 ? Math.floor(most) : most) / dense;
    for (const canvas of [this.canvas, this.over]) {
      canvas.style.width = `${width * factor}px`;
      canvas.style.height = `${height * factor}px`;
    }
  }
}

export class Stage {
  constructor() {
    this.views = new Map();
    this.root = $("views");
    new ResizeObserver(() => this.fit()).observe(this.root);
    this.show(["main"], {});
  }

  /** Which views there are, left to right, and what stands over each. */
  show(names, labels) {
    for (const [name, view] of this.views) if (!names.includes(name)) { view.root.remove(); this.views.delete(name); }
    for (const name of names) {
      if (!this.views.has(name)) {
        const view = new View(labels[name] ?? name);
        this.views.set(name, view);
        this.root.append(view.root);
      }
      const view = this.views.get(name);
      tell(view.label, labels[name] ?? name);
      view.canvas.setAttribute("aria-label", labels[name] ?? "what the world shows");
    }
    if ($("stage").dataset.views !== String(names.length)) $("stage").dataset.views = names.length;
    this.fit();
  }

  fit() { for (const view of this.views.values()) view.fit(); }

  /** Draw the views of one message; true if the main one changed. */
  async draw(views) {
    const drawn = await Promise.all(views.map((view) => this.views.get(view.view)?.draw(view)));
    return views.some((view, place) => view.view === "main" && drawn[place]);
  }

  /** The share of pixels in which the last view differs from the main one, marked on it if `shown`. */
  differ(shown) {
    const names = [...this.views.keys()];
    return names.length < 2 ? null : this.views.get(names.at(-1)).differ(this.views.get("main"), shown);
  }
}

/** Cover the stage with a sentence, what to do about it, and buttons; without a title, uncover it. */
export function veil(title, text = "", ...buttons) {
  const cover = $("veil"), key = title ? title + text : "";
  if (cover.dataset.key === key) return;
  cover.dataset.key = key;
  cover.replaceChildren();
  cover.toggleAttribute("data-shown", Boolean(title));
  if (!title) return;
  cover.append(h("strong", {}, title), h("p", {}, text), h("div", { className: "row" }, ...buttons));
}
