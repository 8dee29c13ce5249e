// Figures that move: latency, what follows what one does, and flags, each as a line and a small plot. Their definitions
// are the server's; only the time from a key to its picture is measured here, where it can be.

import { $, h, tell } from "./dom.js";

const KEPT = 240;

/** The q-quantile of some numbers. */
export function quantile(values, q) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

class Gauge {
  constructor(name, note, plotted) {
    this.value = h("b", {}, "\u2013");
    this.note = h("small", {}, note);
    this.plot = plotted ? h("canvas", { "aria-hidden": "true" }) : null;
    this.root = h("div", { className: "gauge" }, h("span", {}, name), this.value, this.plot, this.note);
    $("gauges").append(this.root);
  }

  say(value, flag = false, note = null) {
    tell(this.value, value);
    this.root.dataset.flag = flag;
    if (note) tell(this.note, note);
  }

  /** The series as a line, with another number as a dashed one across. */
  draw(series, line) {
    this.drawn = [series, line];
    const { clientWidth: width, clientHeight: height } = this.plot, dense = devicePixelRatio || 1;
    if (!width) return;
    Object.assign(this.plot, { width: width * dense, height: height * dense });
    const ink = this.plot.getContext("2d"), style = getComputedStyle(document.documentElement);
    ink.scale(dense, dense);
    const top = Math.max(...series, line ?? 0, 1e-9) * 1.08, y = (value) => height - 1 - (value / top) * (height - 2);
    if (line) this.stroke(ink, style.getPropertyValue("--faint"), [[0, y(line)], [width, y(line)]], [3, 4]);
    this.stroke(ink, style.getPropertyValue("--accent"), series.map((value, place) => [(place / Math.max(1, series.length - 1)) * width, y(value)]), []);
  }

  /** The same in the colours of now. */
  redraw() { if (this.drawn) this.draw(...this.drawn); }

  stroke(ink, colour, points, dashes) {
    ink.strokeStyle = colour;
    ink.lineWidth = 1.4;
    ink.setLineDash(dashes);
    ink.beginPath();
    for (const [x, y] of points) ink.lineTo(x, y);
    ink.stroke();
  }
}

const ms = (value) => (value === null || value === undefined ? "\u2013" : value < 10 ? value.toFixed(1) : String(Math.round(value)));

export class Instruments {
  constructor() {
    this.keyToPixel = [];  // ms, of every press whose picture changed
    this.unchanged = 0;  // presses after which the picture stayed as it was
    this.pressed = new Map();
    this.gauges = {
      key: new Gauge("Key to pixel, ms", "median and worst of a hundred; press a key", true),
      step: new Gauge("Step, ms", "p50, p95, p99 of the world's own time", true),
      misses: new Gauge("Slots missed", "steps that came after their slot had ended"),
      response: new Gauge("Responsiveness \u03c9\u00b2", "motion that actions explain; needs 64 steps of two actions", true),
      flags: new Gauge("Reverts, drift", "snaps back to the start; lasting change of the picture"),
      apart: new Gauge("Apart from the other", "share of pixels that differ"),
    };
    this.response = [];
  }

  learn(room) { this.gauges.apart.root.hidden = !room.ghost && room.twin === null; }

  hear(gauges) {
    const { step, response, reverts, drift, alarms } = gauges;
    this.gauges.step.say([step.p50, step.p95, step.p99].map(ms).join(" \u00b7 "), step.p99 > step.slot_ms);
    this.gauges.step.draw(step.series, step.slot_ms);
    this.gauges.misses.say(step.misses === null ? "\u2013" : `${(100 * step.misses).toFixed(1)} %`, step.misses > 0.01);
    if (response) {
      this.response = [...this.response, response.omega2].slice(-KEPT);
      this.gauges.response.say(response.omega2.toFixed(2), alarms.includes("unresponsive"), `chance reaches ${response.chance.toFixed(2)}` + (response.lag === null ? "" : `; seen ${response.lag} steps later`));
      this.gauges.response.draw(this.response, response.chance);
    } else if (this.response.length) {
      this.response = [];
      this.gauges.response.say("\u2013", false, "motion that actions explain; needs 64 steps of two actions");
      this.gauges.response.draw([], null);
    }
    this.gauges.flags.say(`${reverts}, ${drift.step === null ? "none" : `step ${drift.step}`}`, alarms.includes("reverts") || alarms.includes("drift"), drift.step === null ? "snaps back to the start; lasting change of the picture" : `look: ${drift.feature.replaceAll("_", " ")} changed`);
  }

  redraw() { for (const gauge of Object.values(this.gauges)) gauge.redraw(); }

  apart(share) { this.gauges.apart.say(share === null ? "\u2013" : `${(100 * share).toFixed(1)} %`, share > 0.25); }

  /** An action was sent at that time on the page's clock. */
  sent(id, when) { this.pressed.set(id, when); }

  /** A picture that answers these actions was drawn: the time counts from when the browser has shown it. */
  answered(ids, changed) {
    const times = ids.map((id) => this.pressed.get(id)).filter((when) => when !== undefined);
    for (const id of ids) this.pressed.delete(id);
    if (!times.length) return;
    if (!changed) { this.unchanged += times.length; return; }
    requestAnimationFrame(() => {  // the canvas is part of the picture that follows this call
      for (const when of times) this.keyToPixel.push(performance.now() - when);
      const last = this.keyToPixel.slice(-100);
      this.gauges.key.say(`${ms(quantile(last, 0.5))} \u00b7 ${ms(Math.max(...last))}`, quantile(last, 0.5) > 60);
      this.gauges.key.draw(last.slice(-KEPT), 60);
    });
  }
}
