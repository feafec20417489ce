// The socket: keeps it open, comes back by itself where it stopped, and hands on every event of the auction once and in order.

import { ticket } from "/watch/assets/watch-api.js";

const SHORTEST_MS = 500;
const LONGEST_MS = 30_000;
const QUIET_MS = 20_000; // Server pings are not seen by a page: it asks itself whether anybody is there.
const ANSWER_MS = 10_000;

const CLOSED = { 4003: "Your session has ended.", 4009: "Too many pages are open." };

export class Live {
  #auction; #clock; #tell; #state;
  #socket = null;
  #seq = null;
  #attempt = 0;
  #wait = null;
  #pulse = null;
  #asked = null;
  #again = false; // Asked for what came after the last known event.
  #lost = false;

  /** `tell(frame)` gets snapshots, events in order and notes; `state(name, detail)` what to show of the connection. */
  constructor(auction, clock, { tell, state }) {
    this.#auction = auction;
    this.#clock = clock;
    this.#tell = tell;
    this.#state = state;
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#look());
  }

  /** Connect at once, whatever was planned; with another session than before, or after waiting. */
  now() {
    clearTimeout(this.#wait);
    clearInterval(this.#pulse);
    this.#wait = this.#asked = null;
    this.#again = false;
    const old = this.#socket;
    this.#socket = null;
    old?.close?.(1000); // While a ticket is asked for there is no socket yet.
    this.#connect();
  }

  async #connect() {
    this.#state("connecting", this.#seq === null ? "Connecting…" : "Reconnecting…");
    const mine = (this.#socket = {});
    let given;
    try {
      given = await ticket();
    } catch {
      if (this.#socket === mine) this.#later();
      return;
    }
    if (this.#socket !== mine) return;
    const url = new URL(given.url);
    url.searchParams.set("ticket", given.ticket);
    const socket = (this.#socket = new WebSocket(url));
    socket.onopen = () => this.#subscribe();
    socket.onmessage = (message) => this.#socket === socket && this.#hear(JSON.parse(message.data));
    socket.onclose = (event) => this.#socket === socket && this.#closed(event);
  }

  #say(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #subscribe() {
    this.#again = this.#seq !== null;
    this.#say({ op: "subscribe", auctionId: this.#auction, ...(this.#seq === null ? {} : { lastSeq: this.#seq }) });
    this.#ask();
    clearInterval(this.#pulse);
    this.#pulse = setInterval(() => this.#ask(), QUIET_MS);
  }

  #ask() {
    if (this.#asked !== null || this.#socket?.readyState !== WebSocket.OPEN) return;
    const asked = (this.#asked = performance.now());
    this.#say({ op: "ping" });
    setTimeout(() => {
      if (this.#asked !== asked) return;
      this.#lost = true;
      this.now();
    }, ANSWER_MS);
  }

  #look() {
    if (this.#wait !== null) this.now();
    else this.#ask();
  }

  #hear(frame) {
    switch (frame.event) {
      case "pong":
        this.#clock.hear(frame.data.serverTime, this.#asked);
        this.#asked = null;
        return;
      case "error":
        this.#refused(frame);
        return;
      case "resumed":
        this.#clock.hear(frame.data.serverTime);
        this.#seq = frame.data.seq;
        this.#ready(frame.data.events);
        this.#tell(frame);
        return;
      case "snapshot":
        this.#clock.hear(frame.data.serverTime);
        this.#seq = frame.seq;
        this.#ready(null);
        this.#tell(frame);
        return;
    }
    if (frame.seq === undefined) {
      this.#tell(frame); // For the person, about any auction.
    } else if (frame.auctionId === this.#auction && frame.seq > (this.#seq ?? Infinity)) {
      this.#follow(frame);
    }
  }

  #follow(frame) {
    if (frame.prevSeq === this.#seq) {
      this.#seq = frame.seq;
      this.#tell(frame);
    } else if (!this.#again) {
      this.#subscribe(); // Something is missing: ask for all after what is known.
    }
  }

  #ready(missed) {
    this.#attempt = 0;
    const resumed = this.#lost && missed !== null;
    this.#again = this.#lost = false;
    this.#state("live", resumed ? "Live again, nothing missed" : "Live");
    if (resumed) setTimeout(() => this.#socket?.readyState === WebSocket.OPEN && this.#state("live", "Live"), 4000);
  }

  #refused(frame) {
    if (frame.auctionId !== this.#auction) return;
    if (frame.code === "unavailable") setTimeout(() => this.#subscribe(), frame.retryAfterMs);
    else this.#tell(frame);
  }

  #closed(event) {
    this.#lost = true;
    this.#clock.doubt();
    const told = /reconnectAfterMs=(\d+)/.exec(event.reason);
    if (event.code === 4003) this.#tell({ event: "session_over" });
    this.#later(told ? Number(told[1]) : event.code === 4009 ? LONGEST_MS : undefined, CLOSED[event.code]);
  }

  #later(after, why = "") {
    // Jitter: a thousand pages that lost their server together must not come back together.
    const most = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** this.#attempt++);
    const wait = after ?? most * (0.5 + Math.random() / 2);
    const until = performance.now() + wait;
    clearTimeout(this.#wait);
    const tick = () => {
      const left = until - performance.now();
      if (left <= 0) {
        this.now();
        return;
      }
      this.#state("waiting", `${why ? `${why} ` : ""}Reconnecting in ${Math.ceil(left / 1000)} s`);
      this.#wait = setTimeout(tick, Math.min(left, 1000));
    };
    tick();
  }
}
