// Puts the page together: what the server says goes to the parts, what a person does goes to the server.

import { Begin } from "./begin.js";
import { $, h, tell, toast } from "./dom.js";
import { Hands, isTyping, NAMES } from "./hands.js";
import { Instruments } from "./instruments.js";
import { People } from "./people.js";
import { Sound } from "./sound.js";
import { Stage, veil } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Wire } from "./wire.js";
import { Words } from "./words.js";

let room = null;
let acted = 0;
let ended = "";  // why the server says good-bye

const send = (message) => wire.send(message) || (toast("Not connected just now; nothing was sent."), false);
const stage = new Stage(), instruments = new Instruments(), people = new People(send), words = new Words(send);
const sound = new Sound((on) => send({ kind: "want", sound: on }));
const hands = new Hands({
  act: (action, when) => { if (!mayMove()) return; timeline.look(null); instruments.sent(++acted, when); send({ kind: "act", action, id: acted }); },
  hold: (action) => { if (room?.may.move) wire.send({ kind: "hold", action }); },
});
const timeline = new Timeline({ send, fetchFile, looked });
const begin = new Begin({ send, give });

const wire = new Wire({
  linked: () => link("live", "live"),
  lost(reason, final) {
    ready(false);
    link("lost", final ? "not connected" : "reconnecting");
    if (final) veil("You are not connected", ended || reason || "The server ended the connection.", h("button", { onclick: () => wire.again() }, "Try again"));
    else if (!room) veil("No server answers", "Is `wmenv live` still running? This page goes on trying.", h("button", { onclick: () => wire.again() }, "Try now"));
    else veil("The connection is gone", "Your session is kept for a while. This page goes on trying, and you go on where you were.", h("button", { onclick: () => wire.again() }, "Try now"));
  },
  queue({ position, running, limit }) {
    link("live", "waiting");
    veil(position === 1 ? "You are next" : `You are number ${position} in line`, `${running} of ${limit} places are taken. The page goes on by itself as soon as one is free.`);
  },
  room: learn,
  shown: (message) => { draw(message); },
  waiting: (told) => { if (room) people.learn(Object.assign(room, { waiting: told.people })); },
  caption: ({ text }) => { if (!timeline.at) tell($("caption"), text); },
  receipt: (message) => words.receipt(message),
  gauges: (message) => instruments.hear(message),
  ended: ({ text }) => { ended = text; },
  problem: ({ text }) => toast(text),
  note: ({ text }) => toast(text),
});

function learn(told) {
  const first = room?.room !== told.room;
  room = told;
  ready(true);
  if (location.hash !== `#room=${room.room}`) history.replaceState(null, "", `#room=${room.room}`);
  tell($("world-name"), room.world);
  document.title = `${room.world} \u00b7 wmenv live`;
  const names = ["main", ...(room.twin !== null ? ["twin"] : []), ...(room.ghost ? ["ghost"] : [])];
  const named = (id) => room.branches.find((branch) => branch.id === id)?.name;
  stage.show(names, { main: names.length > 1 ? (room.ghost && room.twin === null ? "generated" : named(room.current)) : `what ${room.world} shows`, twin: named(room.twin), ghost: "real" });
  hands.learn(room.spec.actions);
  words.learn(room.spec);
  sound.learn(room.spec.audio);
  begin.learn(room);
  people.learn(room);
  instruments.learn(room);
  timeline.learn(room);
  tell($("pause"), room.paused ? "Go on" : "Pause");
  $("fps").value = room.fps;
  tell($("fps-value"), String(room.fps));
  $("ghost-label").hidden = !room.has_ghost;
  $("ghost").checked = room.ghost;
  $("marks-label").hidden = names.length < 2;
  for (const id of ["pause", "step", "fps", "ghost", "branch"]) $(id).disabled = !room.may.move;
  $("hands").classList.toggle("off", !room.may.move);
  $("words").classList.toggle("off", !room.may.direct);
  $("direction").disabled = !room.may.direct;
  $("direction").placeholder = room.may.direct ? "Say what should happen" : "Somebody else directs";
  if (first) { if (sound.on) wire.send({ kind: "want", sound: true }); if (document.activeElement === document.body) $("stage").focus({ preventScroll: true }); }
  cover();
}

/** What stands over the picture, if anything does. */
function cover() {
  if (!room) return;
  if (room.failed) veil("The world stopped", room.failed, h("button", { onclick: () => begin.submit() }, "Begin again"));
  else if (room.over && !timeline.at) veil("This episode has ended", `${room.over} Begin another, or go back in the timeline and ask: what if?`, h("button", { onclick: () => begin.submit() }, "Begin again"));
  else veil(null);
}

async function draw(message) {
  if (message.kind === "look") { if (timeline.at?.branch !== message.branch || timeline.at?.step !== message.step) return; }
  else { timeline.stepped(message.branch, message.step); sound.play(message.sound); if (timeline.at) return; }
  const changed = await stage.draw(message.views);
  if (message.acts?.length) instruments.answered(message.acts, changed);
  if (message.kind === "look") tell($("caption"), message.caption ?? "");
  if (room.twin !== null || room.ghost) instruments.apart(stage.differ($("marks").checked));
}

/** The moment looked at changed: stop the world for whoever moves it, and fetch the picture. */
function looked(moment) {
  cover();
  if (!moment) return void (room && wire.send({ kind: "look", branch: null, step: 0 }));
  if (room.may.move && !room.paused) wire.send({ kind: "pace", paused: true });
  wire.send({ kind: "look", ...moment });
}

function mayMove() {
  if (!room?.may.move) return void (room && toast("Somebody else moves here. Ask them, or open this page without the invitation for a world of your own."));
  return true;
}

/** Whether there is a room that the controls could do something in. */
function ready(there) { for (const part of document.querySelectorAll(".pace, .told, .hands, .words, .time, .side")) part.inert = !there; }

function link(state, text) { $("link").dataset.state = state; tell($("link").lastElementChild, text); }

// --- files -----------------------------------------------------------------------------------------------------------

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { "x-wmenv-visitor": wire.visitor } });
  if (answer.ok) return answer;
  throw new Error(await answer.json().then(({ detail }) => detail, () => `the server answered ${answer.status}.`));
}

async function fetchFile({ kind, branch, from, to }) {
  const answer = await ask(`rooms/${room.room}/save?${new URLSearchParams({ kind, branch, first: from, last: to })}`);
  return { blob: await answer.blob(), name: /filename="([^"]+)"/.exec(answer.headers.get("content-disposition"))?.[1] ?? kind };
}

async function give(kind, body) {
  await ask(`rooms/${room.room}/begin?${new URLSearchParams({ kind, seed: $("seed").value || 0 })}`, { method: "POST", body });
}

// --- the rest of the page -----------------------------------------------------------------------------------------------

$("pause").addEventListener("click", () => { timeline.at && timeline.look(null); send({ kind: "pace", paused: !room.paused }); $("stage").focus({ preventScroll: true }); });
$("step").addEventListener("click", () => (timeline.at ? timeline.move(1) : send({ kind: "step" })));
$("fps").addEventListener("input", () => { tell($("fps-value"), $("fps").value); send({ kind: "pace", fps: Number($("fps").value) }); });
$("ghost").addEventListener("change", () => send({ kind: "ghost", on: $("ghost").checked }));
$("marks").addEventListener("change", () => stage.differ($("marks").checked));
$("theme").addEventListener("click", () => {
  const themes = ["", "dark", "light"], next = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "") + 1) % 3];
  setTheme(next);
  toast(next ? `${next[0].toUpperCase()}${next.slice(1)}.` : "As your system has it.");
});

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
  localStorage.setItem("wmenv-theme", theme);
  instruments.redraw();
}
setTheme(localStorage.getItem("wmenv-theme") ?? "");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => instruments.redraw());

// Whoever clicks goes on walking with the keys; whoever moves by keyboard stays where they are.
let pointed = false;
addEventListener("pointerdown", () => { pointed = true; }, true);
addEventListener("keydown", () => { pointed = false; }, true);
addEventListener("click", () => leave("button, summary"));
addEventListener("change", () => leave("select, input[type=range], input[type=checkbox]"));
$("help").addEventListener("close", () => leave("button"));

function leave(controls) {
  const at = document.activeElement;
  if (pointed && at.matches(controls) && !at.closest("dialog")) $("stage").focus({ preventScroll: true });
}

const SHORTCUTS = {
  "/": ["say what should happen", () => $("direction").focus()],
  p: ["pause, go on", () => $("pause").click()],
  ".": ["one step", () => $("step").click()],
  ",": ["one step back", () => $("back").click()],
  b: ["branch from the moment shown", () => $("branch").click()],
  n: ["back to now", () => timeline.look(null)],
  "?": ["this help", () => help()],
};

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches?.("#direction, #scrub, select, button")) $("stage").focus({ preventScroll: true });
  if (event.defaultPrevented || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || hands.keys?.has(event.key)) return;
  const does = SHORTCUTS[event.key]?.[1];
  if (does && room) { event.preventDefault(); does(); }
});

function help() {
  const rows = Object.entries(SHORTCUTS).filter(([key]) => !hands.keys?.has(key)).map(([key, [text]]) => [[key], text]);
  const moves = (room?.spec.actions.names ?? []).map((name, action) => [[...(hands.keys ?? [])].filter(([, does]) => does === action).map(([key]) => NAMES[key] ?? key), name.replaceAll("_", " ")]);
  const list = [...moves.filter(([keys]) => keys.length), ...rows, [["Esc"], "back to the world"]];
  $("help").replaceChildren(h("h2", { id: "help-title" }, "Keys"),
    h("dl", {}, ...list.flatMap(([keys, text]) => [h("dt", {}, ...keys.flatMap((key) => [h("kbd", {}, key), " "])), h("dd", {}, text)])),
    h("form", { method: "dialog", className: "row" }, h("button", { className: "primary" }, "Close")));
  $("help").showModal();
}
$("help-button").addEventListener("click", help);

ready(false);
veil("Opening the world", "The first frame takes a moment.");
globalThis.live = { instruments, timeline, get room() { return room; } };  // for tests, benchmarks and the curious
