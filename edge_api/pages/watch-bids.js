// The history of bids: newest first, each once, whether it came from the API or from the socket.

import { alias, hue, initials, moment, money } from "/watch/assets/watch-words.js";

const SHOWN_MAX = 100;

export class History {
  #list; #empty;
  #rows = new Map();

  constructor(list, empty) {
    this.#list = list;
    this.#empty = empty;
  }

  /** Whether a person has bid here and not taken it back. */
  has(bidderId) {
    return [...this.#rows.values()].some(({ bid, item }) => bid.bidderId === bidderId && !item.classList.contains("retracted"));
  }

  /** Put in what the API knows: whatever is there already stays as it is. */
  fill(items, look) {
    for (const bid of [...items].sort((one, other) => one.seq - other.seq)) this.add(bid, look, false);
  }

  /** Add one bid; `look` is {currency, you}. */
  add(bid, look, isNew = true) {
    if (this.#rows.has(bid.id)) return;
    const item = document.createElement("li");
    item.dataset.seq = bid.seq;
    this.#rows.set(bid.id, { bid, item });
    this.#paint(item, bid, look);
    if (bid.retracted) strike(item);
    this.#place(item, isNew);
  }

  /** A line between the bids, about something that is no bid. */
  note(seq, text) {
    const item = document.createElement("li");
    item.dataset.seq = seq;
    item.append(part("p", "note", text));
    this.#place(item, true);
  }

  /** Strike the bids that went, and what the system bid for them since. */
  retract({ bidderId, bidIds, sinceSequence, by }, seq) {
    for (const { bid, item } of this.#rows.values()) {
      const placedForIt = bid.bidderId === bidderId && bid.automatic && bid.seq > sinceSequence && bid.seq < seq;
      if (bidIds.includes(bid.id) || placedForIt) strike(item);
    }
    this.note(seq, by === "bidder" ? `${alias(bidderId)} withdrew a bid.` : `Bids of ${alias(bidderId)} were cancelled.`);
  }

  /** Paint all again: who looks on may have become somebody else. */
  repaint(look) {
    for (const { bid, item } of this.#rows.values()) {
      const withdrawn = item.classList.contains("retracted");
      this.#paint(item, bid, look);
      item.classList.remove("retracted");
      if (withdrawn) strike(item);
    }
  }

  #paint(item, bid, { currency, you }) {
    const name = alias(bid.bidderId);
    const face = part("span", "face", initials(name));
    face.dataset.hue = hue(bid.bidderId);
    face.ariaHidden = "true";
    const who = part("span", "name");
    who.append(part("span", "alias", name));
    who.title = bid.bidderId;
    if (bid.bidderId === you) who.append(mark("you", "good"));
    if (bid.automatic) who.append(mark("automatic"));
    const time = part("time", "", moment(bid.placedAt));
    time.dateTime = bid.placedAt;
    const detail = part("span", "detail");
    detail.append(time, bid.message ? ` · “${bid.message}”` : "");
    item.replaceChildren(face, who, part("span", "sum", money(bid.amount, currency)), detail);
  }

  #place(item, isNew) {
    const seq = Number(item.dataset.seq);
    const after = [...this.#list.children].find((other) => Number(other.dataset.seq) < seq);
    this.#list.insertBefore(item, after ?? null);
    item.classList.toggle("new", isNew);
    while (this.#list.children.length > SHOWN_MAX) this.#list.lastElementChild.remove();
    this.#empty.hidden = true;
  }
}

function part(tag, name, text = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

function strike(item) {
  if (item.classList.contains("retracted")) return;
  item.classList.add("retracted");
  item.querySelector(".name").append(part("span", "mark", "withdrawn"));
}

function mark(text, tone = "") {
  const element = part("span", "mark", text);
  element.dataset.tone = tone;
  return element;
}
