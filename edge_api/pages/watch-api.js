// The edge's HTTP API, as this page needs it.

const API = "/api/v1";
const KEPT = "session";

/** Who is logged in; lives as long as the tab. */
export const session = {
  get: () => JSON.parse(sessionStorage.getItem(KEPT) || "null"),
  set: (value) => (value ? sessionStorage.setItem(KEPT, JSON.stringify(value)) : sessionStorage.removeItem(KEPT)),
};

/** An answer that is no success: `problem` is the edge's problem+json, or says that nothing could be reached. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || "Something went wrong.");
    this.status = status;
    this.code = problem.code || "";
    this.problem = problem;
  }
}

async function call(method, path, body, headers = {}) {
  const token = session.get()?.accessToken;
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const request = { method, headers, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Refused(0, { detail: "No connection. Try again in a moment.", code: "offline" });
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said);
  return { status: answer.status, said };
}

export const auction = async (id) => (await call("GET", `${API}/auctions/${id}`)).said;

export const history = async (id) => (await call("GET", `${API}/auctions/${id}/bids?limit=50`)).said.items;

/** A ticket for a socket; without a session it lets one watch. A session that is over is forgotten. */
export async function ticket() {
  try {
    return (await call("POST", `${API}/live/ticket`)).said;
  } catch (refused) {
    if (refused.status !== 401 || !session.get()) throw refused;
    session.set(null);
    return ticket();
  }
}

export async function logIn(email, password) {
  session.set(null);
  const { said } = await call("POST", `${API}/auth/login`, { email, password });
  session.set({ accessToken: said.accessToken, refreshToken: said.refreshToken, username: said.user.username });
}

export async function logOut() {
  const { refreshToken } = session.get() || {};
  try {
    await call("POST", `${API}/auth/logout`, refreshToken ? { refreshToken } : {});
  } finally {
    session.set(null);
  }
}

/** Bid; waits until it is decided, however long that takes. The key makes a repetition the same bid. */
export async function placeBid(id, bid, key) {
  const first = await call("POST", `${API}/auctions/${id}/bids`, bid, { "Idempotency-Key": key });
  if (first.status !== 202) return first.said;
  for (;;) {
    await new Promise((done) => setTimeout(done, 700));
    const { said } = await call("GET", first.said.statusUrl);
    if (said.status !== "pending") return said.answer ?? said;
  }
}

/** A key that nobody else will use; randomUUID is missing where the page is not served over HTTPS. */
export function freshKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
