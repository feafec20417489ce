// Bidding and logging in.

import { freshKey, logIn, logOut, placeBid, session } from "/watch/assets/watch-api.js";
import { typedAmount } from "/watch/assets/watch-words.js";

/** The forms of an auction; returns `paint(known)` for whenever something changes, and `say(text, tone)`. */
export function bidding(id, { at, cash, seenMs, sessionChanged }) {
  let known = null;
  let busy = false;
  /** The bid on its way: sent again with the same key until there is an answer, so that it counts once. */
  let sent = null;

  const form = at("bid"), amount = at("bid-amount");
  const isAutomatic = () => form.elements.kind.value === "maxAmount";

  function say(text, tone = "") {
    at("bid-said").hidden = !text;
    at("bid-said").dataset.tone = tone;
    at("bid-said").textContent = text;
  }

  function paint(now = known) {
    if (known?.leads && !now.leads && at("bid-said").dataset.tone === "good") say(""); // No longer true.
    known = now;
    const who = session.get();
    const closed = known.isOver || known.closing || known.status === "scheduled";
    at("bidding").hidden = known.isOver;
    form.hidden = !who;
    at("login").hidden = Boolean(who);
    at("who").hidden = !who;
    at("who-text").textContent = who ? `Logged in as ${who.username}.` : "";
    at("bid-fields").disabled = closed || busy;
    const raises = known.leads && isAutomatic();
    at("bid-amount-label").textContent = isAutomatic() ? "Your maximum" : "Your bid";
    at("bid-hint").textContent = closed
      ? known.status === "scheduled" ? "Bidding opens when the auction starts." : "Bidding is closed."
      : raises ? "Raise your hidden maximum; the price does not move."
      : known.leads ? "You lead already. A higher bid raises your hidden maximum."
      : `${cash(known.minimumNextBid)} or more.${isAutomatic() ? " We bid for you, only as much as needed, up to your maximum. Nobody sees it." : ""}`;
    amount.placeholder = known.minimumNextBid == null || known.leads ? "" : known.minimumNextBid.toFixed(2);
    at("bid-button").textContent = busy ? "Sending…" : isAutomatic() ? (known.leads ? "Raise maximum" : "Bid up to this") : "Place bid";
  }

  async function bid(event) {
    event.preventDefault();
    const value = typedAmount(amount.value);
    if (value === null) {
      say("Please write an amount such as 125 or 125.50.", "bad");
      amount.focus();
      return;
    }
    const confirmed = event.submitter?.value === "confirmed";
    const wish = { [form.elements.kind.value]: value, ...(confirmed ? { confirmed } : {}) };
    if (sent?.text !== JSON.stringify(wish)) {
      const seen = seenMs();
      sent = { text: JSON.stringify(wish), key: freshKey(), wish: seen === null ? wish : { ...wish, streamTimeMs: seen } };
    }
    busy = true;
    at("confirm-button").hidden = true;
    say("");
    paint();
    try {
      accepted(await placeBid(id, sent.wish, sent.key));
    } catch (refused) {
      refusedBid(refused);
    } finally {
      busy = false;
      paint();
      amount.focus();
    }
  }

  function accepted(answer) {
    sent = null;
    amount.value = "";
    if (answer.code === "outbid") say(`Somebody's automatic bid is higher. ${cash(answer.minimumNextBid)} or more takes the lead.`, "bad");
    else if (answer.code === "maximum_raised") say("Your maximum is raised.", "good");
    else if (answer.code === "bought") say("It is yours!", "good");
    else say(`Your bid stands: you lead with ${cash(answer.currentBid ?? answer.amount)}.`, "good");
  }

  function refusedBid(refused) {
    const unknown = refused.status === 0 || refused.status >= 500;
    if (!unknown) sent = null; // An answer was given: the next try is a new bid.
    if (refused.status === 401) {
      session.set(null);
      sessionChanged();
      say("Your session has ended. Log in again to bid.", "bad");
      return;
    }
    const { minimum } = refused.problem;
    at("confirm-button").hidden = refused.code !== "confirmation_required";
    say(`${refused.message}${minimum === undefined ? "" : ` The minimum is ${cash(minimum)}.`}`, "bad");
  }

  async function enter(event) {
    event.preventDefault();
    at("login-said").hidden = true;
    at("login-button").disabled = true;
    try {
      await logIn(at("email").value.trim(), at("password").value);
      at("password").value = "";
      say("");
      sessionChanged();
    } catch (refused) {
      at("login-said").dataset.tone = "bad";
      at("login-said").textContent = refused.message;
      at("login-said").hidden = false;
    } finally {
      at("login-button").disabled = false;
      paint();
      if (session.get()) amount.focus();
    }
  }

  form.addEventListener("submit", bid);
  form.addEventListener("change", () => paint());
  at("login").addEventListener("submit", enter);
  at("logout").addEventListener("click", async () => {
    await logOut().catch(() => null); // Whatever the server says, this tab forgets.
    say("");
    sessionChanged();
    paint();
  });
  return { paint, say };
}
