// The server's time. The reader's own clock may be wrong or be set meanwhile: only how much time passes is taken from here.

export class ServerClock {
  #offset = null;
  #doubt = Infinity;

  /** Take in a time that the server told; `asked` is performance.now() when it was asked, if it was. */
  hear(serverTime, asked = null) {
    const now = performance.now();
    const travel = asked === null ? 5000 : now - asked;
    // The quickest answer is the most exact one. Doubt grows, so that a machine that slept is set right again.
    if (travel > this.#doubt) {
      this.#doubt += 20;
      return;
    }
    this.#doubt = travel;
    this.#offset = Date.parse(serverTime) + (asked === null ? 0 : travel / 2) - now;
  }

  /** Forget how exact the time is: the next answer counts, however slow. */
  doubt() {
    this.#doubt = Infinity;
  }

  get known() {
    return this.#offset !== null;
  }

  /** Milliseconds since 1970, by the server. */
  now() {
    return performance.now() + this.#offset;
  }
}
