// Sound on request: the PCM of each step, played one after the other with a small lead. Silent until a person asks, as
// browsers want it. Knows nothing of what is heard.

import { $ } from "./dom.js";

const LEAD_S = 0.06;  // so that a late step leaves no gap
const MOST_S = 0.3;  // further behind than this, the past is skipped

export class Sound {
  /** `wanted` is told whether to send sound at all. */
  constructor(wanted) {
    this.wanted = wanted;
    this.on = false;
    this.coming = new Set();  // what is playing or waits to
    $("sound").addEventListener("click", () => this.toggle());
  }

  learn(audio) {
    this.rate = audio?.rate;
    $("sound").hidden = !audio;
  }

  toggle() {
    this.on = !this.on;
    this.context ??= new AudioContext();
    if (this.on) this.context.resume(); else this.context.suspend();
    this.ends = 0;
    $("sound").setAttribute("aria-pressed", this.on);
    this.wanted(this.on);
  }

  play(bytes) {
    if (!this.on || !bytes) return;
    const samples = new Int16Array(bytes.slice().buffer), now = this.context.currentTime;
    const buffer = this.context.createBuffer(1, samples.length, this.rate);
    buffer.getChannelData(0).set(Float32Array.from(samples, (sample) => sample / 32768));
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    if (this.ends > now + MOST_S) for (const late of this.coming) late.stop();
    if (this.ends < now || this.ends > now + MOST_S) this.ends = now + LEAD_S;
    this.coming.add(source);
    source.onended = () => this.coming.delete(source);
    source.start(this.ends);
    this.ends += buffer.duration;
  }
}
