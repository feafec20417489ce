"""The edge's gateway to Elasticsearch: bounded questions, and moments of the index that pages of one search share.

A page is read from a point in time, so that what is written meanwhile moves nothing between pages. Opening one for every
search would hold thousands of them; so all searches of MOMENT_S share one, and those that led to no second page are closed.
Four requests of its REST API are all that the edge asks; its client would take 20 MB of each process for them (0001).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
import msgspec
import structlog

from compose.settings import Settings
from edge_api.problems import Problem, unavailable
from edge_api.search_hidden import Hidden, without
from edge_api.search_query import Body

Kind = Literal["auctions", "users"]
Found = dict[str, Any]

ANSWER_S = 3.0
"""A search that takes longer is given up: the caller is told to come again."""

IN_FLIGHT_MAX = 64
"""More searches at once are refused: a slow index must not fill the edge."""

CONNECTIONS = 32
MOMENT_S = 0.15
KEPT = "2m"
"""A cursor lives so long after the page that gave it."""

ABILITIES_S = 60.0
SHOWN_MAX = 300
"""Characters of an answer that a log line may repeat."""

JSON = {"content-type": "application/json", "accept": "application/json"}

log = structlog.get_logger("search")


class Refused(Exception):
    """Elasticsearch answered with an error."""

    def __init__(self, status: int, said: str) -> None:
        """Take HTTP's status and the beginning of what was said."""
        super().__init__(f"{status}: {said}")
        self.status = status


class Missing(Refused):
    """There is no such index, or no such point in time (any more)."""


class Moment:
    """A point in time of an index; `kept` once a cursor names it."""

    def __init__(self, pit: str) -> None:
        self.pit = pit
        self.opened = time.monotonic()
        self.searching = 0
        self.kept = False


class SearchIndex:
    """Asks the aliases `auctions` and `users`, always without who is hidden; writes nothing."""

    def __init__(self, settings: Settings, hidden: Hidden) -> None:
        """Make what needs no connection."""
        self.hidden = hidden
        url = settings.elasticsearch_url.get_secret_value()
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=JSON,
            timeout=ANSWER_S,
            verify=url.startswith("https:"),  # Else there is nothing to verify, and the authorities' names take 2 MB.
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            trust_env=False,
        )
        self._in_flight = 0
        self._moments: dict[Kind, Moment] = {}
        self._opening: dict[Kind, asyncio.Lock] = {"auctions": asyncio.Lock(), "users": asyncio.Lock()}
        self._closing: set[asyncio.Task[None]] = set()
        self._stems = False
        self._stems_asked = float("-inf")

    async def close(self) -> None:
        """Let connections go; the points in time end by themselves."""
        for closing in self._closing:
            closing.cancel()
        await self._client.aclose()

    async def first(self, kind: Kind, body: Body) -> Found:
        """The first page of a search; its moment stays when there are more. Raises Problem 503."""
        async with self._bounded():
            try:
                return await self._first(kind, body)
            except Missing:
                # The index was swapped for a new one, and took its points in time with it.
                self._moments.pop(kind, None)
                return await self._first(kind, body)

    async def _first(self, kind: Kind, body: Body) -> Found:
        moment = await self._moment(kind)
        moment.searching += 1
        try:
            found = await self._search(body, moment.pit)
            moment.kept |= len(found["hits"]["hits"]) == body["size"]
            return found
        finally:
            moment.searching -= 1
            self._let_go(kind, moment)

    async def next(self, pit: str, body: Body) -> Found:
        """A later page of a search; raises Problem 410 when its moment is over, 503."""
        async with self._bounded():
            try:
                return await self._search(body, pit)
            except Missing:
                raise expired() from None

    async def ask(self, kinds: str, body: Body) -> Found:
        """A question of one answer, of the newest state; raises Problem 503."""
        async with self._bounded():
            return await self._say("POST", f"/{kinds}/_search", without(body, await self.hidden.people()))

    async def has_stems(self) -> bool:
        """Whether the index knows words by their stems, which depends on the server's modules."""
        if time.monotonic() - self._stems_asked > ABILITIES_S:
            async with self._bounded():
                found = await self._say("GET", "/auctions/_mapping")
            self._stems = all(one["mappings"].get("_meta", {}).get("stems", False) for one in found.values())
            self._stems_asked = time.monotonic()
        return self._stems

    async def _search(self, body: Body, pit: str) -> Found:
        asked = without(body, await self.hidden.people())
        found = await self._say("POST", "/_search", {**asked, "pit": {"id": pit, "keep_alive": KEPT}})
        if found["_shards"]["failed"]:
            raise unavailable("A part of the index does not answer for the moment.")
        return found

    async def _say(self, method: str, path: str, body: Body | None = None) -> Found:
        """One request of Elasticsearch's REST API. Raises Missing, Refused, httpx.TransportError."""
        content = None if body is None else msgspec.json.encode(body)
        answer = await self._client.request(method, path, content=content)
        if answer.is_error:
            refused = Missing if answer.status_code == httpx.codes.NOT_FOUND else Refused
            raise refused(answer.status_code, answer.text[:SHOWN_MAX])
        found: Found = msgspec.json.decode(answer.content)
        return found

    async def _moment(self, kind: Kind) -> Moment:
        async with self._opening[kind]:
            moment = self._moments.get(kind)
            if moment is not None and time.monotonic() - moment.opened < MOMENT_S:
                return moment
            opened = await self._say("POST", f"/{kind}/_pit?keep_alive={KEPT}")
            self._moments[kind] = Moment(opened["id"])
            if moment is not None:
                self._let_go(kind, moment)
            return self._moments[kind]

    def _let_go(self, kind: Kind, moment: Moment) -> None:
        """Close a moment that nobody needs any more."""
        if moment.searching or moment.kept or self._moments.get(kind) is moment:
            return
        closing = asyncio.create_task(self._close(moment))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _close(self, moment: Moment) -> None:
        try:
            await self._say("DELETE", "/_pit", {"id": moment.pit})
        except (Refused, httpx.TransportError) as error:
            log.info("a point in time ends by itself", reason=repr(error))

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Within bounds of time and number; what the index cannot do now is a 503 of the search alone."""
        if self._in_flight >= IN_FLIGHT_MAX:
            raise unavailable("Too many searches at once; nothing was lost. Send the same request again.")
        self._in_flight += 1
        try:
            async with asyncio.timeout(ANSWER_S):
                yield
        except (httpx.TransportError, msgspec.DecodeError, TimeoutError, OSError) as error:
            log.warning("the index does not answer", reason=repr(error))
            raise unavailable("The search is not available for the moment.") from None
        except Missing:
            raise unavailable("The search is being prepared.") from None
        except Refused as error:
            if error.status != httpx.codes.TOO_MANY_REQUESTS and error.status < httpx.codes.INTERNAL_SERVER_ERROR:
                raise
            log.warning("the index is in trouble", reason=repr(error))
            raise unavailable("The search is not available for the moment.") from None
        finally:
            self._in_flight -= 1


def expired() -> Problem:
    """410: the moment that a cursor names is over."""
    return Problem("cursor_expired", "The list was left too long; ask for its first page again.")
