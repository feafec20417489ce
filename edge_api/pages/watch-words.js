// How things are called and written for people.

const MANNERS = ["Amber", "Brave", "Calm", "Clever", "Crimson", "Curious", "Daring", "Eager", "Gentle", "Golden", "Happy", "Honest",
  "Jolly", "Keen", "Kind", "Lively", "Lucky", "Merry", "Mighty", "Noble", "Patient", "Proud", "Quick", "Quiet", "Scarlet", "Silver",
  "Sly", "Smart", "Sunny", "Swift", "Velvet", "Wise"];
const ANIMALS = ["Badger", "Bear", "Beaver", "Crane", "Deer", "Dolphin", "Eagle", "Falcon", "Ferret", "Finch", "Fox", "Hare", "Hawk",
  "Heron", "Ibex", "Jaguar", "Kestrel", "Lark", "Lynx", "Marten", "Moose", "Otter", "Owl", "Panda", "Puffin", "Raven", "Robin", "Seal",
  "Stork", "Swan", "Tiger", "Wolf"];

/** A name that people can keep in mind for a pseudonym (a UUID); the same one every time. */
export function alias(bidderId) {
  const manner = MANNERS[parseInt(bidderId.slice(0, 8), 16) % MANNERS.length];
  return `${manner} ${ANIMALS[parseInt(bidderId.slice(24, 32), 16) % ANIMALS.length]}`;
}

/** One of eight colours for a pseudonym. */
export const hue = (bidderId) => parseInt(bidderId.slice(-2), 16) % 8;

/** Initials of an alias. */
export const initials = (name) => name.split(" ").map((word) => word[0]).join("");

/** An amount in major units with its currency. */
export function money(amount, currency) {
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency, currencyDisplay: "narrowSymbol" }).format(amount);
  } catch {
    return `${currency} ${amount.toFixed(2)}`;
  }
}

/** What somebody typed as an amount: a number of major units, or null when it is none. */
export function typedAmount(text) {
  const plain = text.trim().replace(/^[^\d.,-]+/, "").replace(",", ".");
  return /^\d{1,8}(\.\d{1,2})?$/.test(plain) && Number(plain) > 0 ? Number(plain) : null;
}

/** A stretch of time on a clock face: `2 d 04:13:22`, `13:22`. */
export function stretch(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
  const short = `${two(minutes)}:${two(seconds % 60)}`;
  if (days) return `${days} d ${two(hours)}:${short}`;
  return hours ? `${two(hours)}:${short}` : short;
}

/** A time of the server, in the reader's own words. */
export function moment(time) {
  const at = new Date(time), today = new Date();
  const clock = at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  if (at.toDateString() === today.toDateString()) return clock;
  return `${at.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${clock}`;
}

/** `1 bid`, `2 bids`. */
export const bids = (count) => `${count} ${count === 1 ? "bid" : "bids"}`;
