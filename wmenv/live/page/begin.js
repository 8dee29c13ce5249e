// How a scene begins: a template, a seed, K, a prompt, one's own picture, or a moment that somebody saved. Pictures are
// cut and scaled here, so that the server gets bytes of a known size and never opens a stranger's picture.

import { $, h, toast } from "./dom.js";

const LARGEST = 64 * 2 ** 20;

export class Begin {
  /** `send` begins from words and numbers, `give` from bytes. */
  constructor({ send, give }) {
    Object.assign(this, { send, give });
    $("begin").addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    $("dice").addEventListener("click", () => { $("seed").value = Math.floor(Math.random() * 1e6); this.submit(); });
    $("passes").addEventListener("input", () => { $("passes-value").textContent = $("passes").value; });
    $("passes").addEventListener("change", () => send({ kind: "passes", passes: Number($("passes").value) }));
    $("file").addEventListener("change", () => { if ($("file").files[0]) this.take($("file").files[0]); $("file").value = ""; });
    addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) { event.preventDefault(); document.body.classList.add("dropping"); } });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
    addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("dropping"); if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]); });
  }

  learn(room) {
    const { spec } = room;
    this.spec = spec;
    const templates = spec.templates.join("\n");
    if (this.templates !== templates) {
      this.templates = templates;
      $("template").replaceChildren(...spec.templates.map((name) => h("option", { value: name }, name.replaceAll("_", " "))));
      $("seed").value = room.seed ?? 0;
      if (room.template) $("template").value = room.template;
    }
    $("template-label").hidden = !spec.templates.length;
    $("prompt-label").hidden = !spec.starts.includes("prompt");
    $("drop").hidden = !room.may.move || !spec.starts.includes("picture") && !spec.starts.includes("moment");
    $("passes-label").hidden = !room.passes;
    if (room.passes) {
      Object.assign($("passes"), { min: 1, max: room.most_passes });
      $("passes").value = room.passes;
      $("passes-value").textContent = room.passes;
    }
    for (const control of $("begin").elements) control.disabled = !room.may.move;
  }

  submit() {
    const seed = Number($("seed").value);
    if (!Number.isSafeInteger(seed) || seed < 0) return toast("A seed is a whole number from 0 on.");
    this.send({ kind: "begin", seed, template: $("template").value || null, prompt: $("prompt").value.trim() || null });
    $("stage").focus({ preventScroll: true });
  }

  async take(file) {
    if (file.size > LARGEST) return toast(`${file.name} is larger than 64 MiB; no picture or moment of this world is.`);
    const picture = file.type.startsWith("image/");
    const kind = picture ? "picture" : "moment";
    if (!this.spec.starts.includes(kind)) return toast(`This world does not begin from a ${kind}; it begins from: ${this.spec.starts.join(", ")}.`);
    try {
      await this.give(kind, picture ? await cutToSize(file, this.spec) : await file.arrayBuffer());
      $("stage").focus({ preventScroll: true });
    } catch (problem) { toast(`${file.name}: ${problem.message}`); }
  }
}

/** The middle of a picture as RGB bytes of the world's size. */
async function cutToSize(file, { width, height }) {
  let bitmap;
  try { bitmap = await createImageBitmap(file); } catch { throw new Error("this browser cannot read that picture. Try a PNG or a JPEG."); }
  const scale = Math.max(width / bitmap.width, height / bitmap.height), canvas = h("canvas", { width, height });
  const ink = canvas.getContext("2d");
  ink.imageSmoothingQuality = "high";
  ink.imageSmoothingEnabled = bitmap.width % width !== 0 || bitmap.height % height !== 0;
  ink.drawImage(bitmap, (width - bitmap.width * scale) / 2, (height - bitmap.height * scale) / 2, bitmap.width * scale, bitmap.height * scale);
  const rgba = ink.getImageData(0, 0, width, height).data;
  return Uint8Array.from({ length: width * height * 3 }, (_, at) => rgba[Math.floor(at / 3) * 4 + (at % 3)]);
}
