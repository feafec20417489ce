// The page: what is known of the auction, and how it is shown.

import { auction as readAuction, history as readHistory, session } from "/watch/assets/watch-api.js";
import { bidding } from "/watch/assets/watch-bidding.js";
import { History } from "/watch/assets/watch-bids.js";
import { ServerClock } from "/watch/assets/watch-clock.js";
import { Film } from "/watch/assets/watch-film.js";
import { Live } from "/watch/assets/watch-live.js";
import { alias, bids as inWords, moment, money, stretch } from "/watch/assets/watch-words.js";

const id = location.pathname.split("/").pop().toLowerCase();
const at = (name) => document.getElementById(name);
const clock = new ServerClock();
const history = new History(at("history"), at("history-empty"));

const film = new Film(at("film-video"), at("film"), (cue) => {
  at("replay").hidden = !cue;
  say(at("replay"), cue ? replayWords(cue) : "");
});

/** All that is known; `null` fields are not known yet. */
const known = { currency: "USD", status: null, you: null, hasBid: false };

const isOver = () => known.status === "ended" || known.status === "cancelled";
const look = () => ({ currency: known.currency, you: known.you });
const cash = (amount) => money(amount, known.currency);

// -- what comes in

const HEARD = {
  snapshot: ({ data }) => {
    Object.assign(known, data);
    become(data.yourBidderId);
    readBids();
    replayIfOver();
  },
  resumed: ({ data }) => become(data.yourBidderId),
  bid_placed: ({ data, seq }) => {
    history.add({ ...data, id: data.bidId, seq }, look());
    Object.assign(known, { bidCount: data.bidCount, minimumNextBid: data.minimumNextBid, reserveMet: data.reserveMet });
    if (data.reserveMet !== false) known.buyNowPrice = null;
    if (data.bidderId === known.you) known.hasBid = true;
    if (!data.isWinning) return;
    const grew = known.currentBid !== data.amount;
    Object.assign(known, { currentBid: data.amount, leaderAlias: data.bidderId });
    if (grew) flashPrice();
    announce(`${data.bidderId === known.you ? "You lead" : `${alias(data.bidderId)} leads`} with ${cash(data.amount)}.`);
  },
  auction_extended: ({ data }) => {
    const seconds = Math.round((Date.parse(data.endTime) - Date.parse(known.endTime)) / 1000);
    known.endTime = data.endTime;
    flashExtension(`A late bid: ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} more, until ${moment(data.endTime)}.`);
  },
  auction_created: ({ data }) => Object.assign(known, data),
  auction_updated: ({ data }) => Object.assign(known, data, { minimumNextBid: data.startingPrice }),
  bid_retracted: ({ data, seq }) => history.retract(data, seq),
  price_recomputed: ({ data }) => {
    Object.assign(known, data, { currentBid: data.price, leaderAlias: data.leaderId });
    known.hasBid = history.has(known.you);
  },
  reserve_lowered: ({ data }) => Object.assign(known, data),
  auction_cancelled: () => (known.status = "cancelled"),
  auction_ended: ({ data }) => {
    Object.assign(known, data, { status: data.outcome === "cancelled" ? "cancelled" : "ended", winnerAlias: data.winnerId ?? null });
    if (data.outcome === "sold_buy_now") Object.assign(known, { currentBid: data.finalPrice, leaderAlias: data.winnerId });
    announce(endingWords());
    replayIfOver();
  },
  outbid: ({ data }) => {
    if (data.auctionId === id) known.hasBid = true;
  },
  winning: ({ data }) => {
    if (data.auctionId === id) known.hasBid = true;
  },
  session_over: () => {
    session.set(null);
    form.say("Your session has ended. Log in again to bid.", "bad");
  },
  error: ({ code, detail }) => missing(code === "auction_not_found" ? "There is no such auction" : detail),
};

function become(you) {
  if (you === known.you) return;
  Object.assign(known, { you, hasBid: history.has(you) });
  history.repaint(look());
}

function tell(frame) {
  HEARD[frame.event]?.(frame);
  paint();
}

async function readBids() {
  const items = await readHistory(id).catch(() => []);
  history.fill(items, look());
  known.hasBid ||= items.some((bid) => bid.yours) || history.has(known.you);
  paint();
}

async function readWords() {
  const found = await readAuction(id).catch(() => null);
  if (!found) return;
  at("description").textContent = found.description;
  at("description").hidden = !found.description;
  at("seller").textContent = `offered by ${found.seller.username}`;
  at("tags").replaceChildren(...found.tags.map((tag) => Object.assign(document.createElement("li"), { textContent: tag })));
  at("tags").hidden = !found.tags.length;
  known.videoId = found.videoId;
  showFilm();
}

/** Who may watch changes with the auction and with who is logged in. */
function showFilm() {
  if (known.videoId) film.show(known.videoId);
  replayIfOver();
}

function replayIfOver() {
  if (known.videoId && known.status === "ended") film.replay(id);
}

function replayWords(cue) {
  if (cue.event === "auction_ended") return cue.winnerId ? `Sold to ${alias(cue.winnerId)} for ${cash(cue.finalPrice)}.` : "Ended without a sale.";
  return `${cue.bidderId === known.you ? "You" : alias(cue.bidderId)} bid ${cash(cue.amount)}.`;
}

function missing(text) {
  at("title").textContent = text;
  for (const card of document.querySelectorAll(".card, .kicker")) card.hidden = true;
  at("page").ariaBusy = "false";
}

// -- what is shown

function paint() {
  if (known.status === null) return;
  at("page").ariaBusy = "false";
  document.title = `${known.currentBid == null ? "" : `${cash(known.currentBid)} · `}${known.title}`;
  at("title").textContent = known.title;
  at("currency").textContent = known.currency;
  paintPrice();
  paintStanding();
  at("history-empty").textContent = isOver() ? "There were no bids." : "No bids yet.";
  at("count").textContent = known.bidCount ? `· ${known.bidCount}` : "";
  tick();
  form.paint({ ...known, isOver: isOver(), leads: known.you !== null && known.leaderAlias === known.you });
}

function paintPrice() {
  const bid = known.currentBid != null;
  at("price-label").textContent = isOver() && known.winnerAlias ? "Sold for" : bid ? "Current bid" : "Starting price";
  at("amount").textContent = cash(bid ? known.currentBid : known.startingPrice);
  at("amount").classList.toggle("long", at("amount").textContent.length > 10);
  const who = known.leaderAlias === known.you && known.you ? "you" : known.leaderAlias && alias(known.leaderAlias);
  const count = known.bidCount ? inWords(known.bidCount) : "No bids";
  at("leader").textContent = isOver() || !bid ? count : `${count} · ${who} ${who === "you" ? "lead" : "leads"}`;
  chip("reserve", known.hasReserve && (known.reserveMet ? "Reserve met" : "Reserve not met yet"), known.reserveMet);
  chip("buy-now", !isOver() && known.buyNowPrice != null && `Buy It Now: ${cash(known.buyNowPrice)}`);
}

function chip(name, text, good = false) {
  at(name).hidden = !text;
  at(name).textContent = text || "";
  at(name).dataset.tone = good ? "good" : "";
}

function paintStanding() {
  const leads = known.you !== null && known.leaderAlias === known.you;
  const shown = !isOver() && (leads || (known.you !== null && known.hasBid));
  at("standing").hidden = !shown;
  at("standing").dataset.tone = leads ? "good" : "bad";
  say(at("standing"), leads ? "You are winning." : `You were outbid. Bid ${cash(known.minimumNextBid)} or more to get back in.`);
  at("ending").hidden = !isOver();
  at("ending").dataset.tone = known.winnerAlias === known.you && known.you ? "good" : "";
  say(at("ending"), isOver() ? endingWords() : "");
}

function endingWords() {
  if (known.status === "cancelled") return "This auction was cancelled.";
  if (known.winnerAlias && known.winnerAlias === known.you) return `You won, for ${cash(known.finalPrice)}. Congratulations!`;
  if (known.winnerAlias) return `Sold to ${alias(known.winnerAlias)} for ${cash(known.finalPrice)}.`;
  return known.outcome === "reserve_not_met" ? "Ended: the reserve was not met, nothing is sold." : "Ended without a bid.";
}

const BADGE = { live: "Live", scheduled: "Starts soon", ended: "Ended", cancelled: "Cancelled", closing: "Closing" };

function tick() {
  if (known.status === null || !clock.known) return;
  const now = clock.now();
  if (known.status === "scheduled" && Date.parse(known.startTime) <= now) {
    known.status = "live";
    paint();
    setTimeout(showFilm, 1000); // The server's clock may be a moment behind what we know of it.
  }
  const waits = known.status === "scheduled";
  const left = Date.parse(waits ? known.startTime : known.endTime) - now;
  const closing = known.status === "live" && left <= 0;
  const badge = closing ? "closing" : known.status;
  at("badge").textContent = BADGE[badge];
  at("badge").dataset.status = badge;
  at("countdown").hidden = isOver();
  at("countdown").classList.toggle("urgent", known.status === "live" && left < 60_000);
  say(at("countdown-label"), waits ? "Starts in" : "Ends in");
  at("clock").textContent = closing ? "Closing…" : stretch(left);
  say(at("until"), moment(waits ? known.startTime : known.endTime));
  if (closing !== known.closing) {
    known.closing = closing;
    paint();
  }
  for (const [seconds, words] of [[300, "Five minutes left."], [60, "One minute left."], [10, "Ten seconds left."]])
    if (known.status === "live" && left <= seconds * 1000 && left > seconds * 1000 - 250) announce(words);
}

/** A live region speaks whenever it is written, even if nothing changes. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function announce(text) {
  at("announce").textContent = text;
}

function flashPrice() {
  at("amount").classList.remove("fresh");
  void at("amount").offsetWidth; // Starts the animation anew.
  at("amount").classList.add("fresh");
}

let extended = null;
function flashExtension(text) {
  clearTimeout(extended);
  at("extended").hidden = false;
  at("extended").textContent = text;
  extended = setTimeout(() => (at("extended").hidden = true), 8000);
}

// -- off it goes

const live = new Live(id, clock, {
  tell,
  state: (name, text) => {
    at("connection").dataset.state = name;
    say(at("connection-text"), text);
    at("reconnect").hidden = name !== "waiting";
  },
});
const form = bidding(id, {
  at,
  cash,
  seenMs: () => film.seenMs(),
  sessionChanged: () => {
    live.now();
    if (film.section.hidden) showFilm();
  },
});
at("reconnect").addEventListener("click", () => live.now());
setInterval(tick, 200);
readWords();
live.now();
