// Who is here, who moves and who directs, and the link that invites others.

import { $, h, tell, toast } from "./dom.js";

const ROLES = { move: "moves", direct: "directs" };

export class People {
  constructor(send) {
    this.send = send;
    $("people-button").addEventListener("click", () => this.toggle());
  }

  toggle() {
    const shown = $("people").hidden;
    $("people").hidden = !shown;
    $("people-button").setAttribute("aria-expanded", shown);
  }

  learn(room) {
    tell($("people-count"), String(room.people.length));
    const lines = room.people.map((person) => h("li", { className: person.here ? "" : "away" }, person.name + (person.you ? " (you)" : "") + (person.here ? "" : ", away"),
      ...Object.entries(ROLES).filter(([role]) => room.roles[role] === person.id).map(([role, does]) => h("span", { className: "role" }, does)),
      ...this.gifts(room, person)));
    const held = (role) => room.people.some(({ id, here }) => here && id === room.roles[role]);
    const takes = Object.entries(ROLES).filter(([role]) => !held(role) && !room.may[role])
      .map(([role]) => h("button", { onclick: () => this.send({ kind: "role", role, to: room.you }) }, role === "move" ? "Take the moving" : "Take the directing"));
    $("people").replaceChildren(h("ul", {}, ...lines), h("div", { className: "row" },
      h("button", { onclick: () => this.invite(room) }, "Copy the invitation"),
      ...takes,
      h("span", { className: "figure" }, room.waiting ? `${room.waiting} waiting for a place` : "")));
  }

  /** What one can hand over to this person. */
  gifts(room, person) {
    if (person.you || !person.here) return [];
    return Object.keys(ROLES).filter((role) => room.may[role])
      .map((role) => h("button", { className: "quiet", onclick: () => this.send({ kind: "role", role, to: person.id }) }, role === "move" ? "let them move" : "let them direct"));
  }

  async invite(room) {
    const link = new URL(location.href);
    link.hash = `room=${room.room}`;
    try {
      await navigator.clipboard.writeText(link.href);
      toast("The link is copied. Whoever opens it sees this world with you.");
    } catch { toast(`Send them this link: ${link.href}`); }
  }
}
