// Making and finding elements. Knows nothing of worlds.

export const $ = (id) => document.getElementById(id);

/** An element with properties (`on...` are listeners, `data-` and `aria-` attributes) and children; text is only ever text. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set text only where it differs, so that nothing is laid out anew for nothing. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let fading = 0;

/** A line at the foot of the page that goes away by itself. */
export function toast(text) {
  const line = $("toast");
  line.textContent = text;
  line.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { line.hidden = true; }, 4000 + 40 * text.length);
}

/** Give the browser a file to save. */
export function saveFile(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
