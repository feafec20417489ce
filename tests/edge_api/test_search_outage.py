"""The index is away, slow, busy or not there yet: 503 of the search alone, soon; all else works, and it heals by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from compose.settings import Settings
from edge_api import search_auctions, search_index
from tests.conftest import NewPeople
from tests.edge_api.real import RealEdge, running
from tests.edge_api.waiting import found

pytestmark = pytest.mark.stack

SEARCHES = ("/auctions?q=lens", "/auctions?sort=newest", "/users/search?q=anna", "/search/suggest?q=le")
ALL_ELSE = ("/auctions", "/auctions?category=cameras", "/time")
GIVEN_UP_MS_MAX = search_index.ANSWER_S * 1000 + 1_000

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def edge_before(stack: Settings, serve: Serve) -> AsyncIterator[RealEdge]:
    """An edge whose index is behind a server of the test's own."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running(stack, elasticsearch_url=SecretStr(f"http://127.0.0.1:{port}")) as real:
        yield real


async def is_away(client: httpx.AsyncClient) -> None:
    """Every search is refused in time, and says when to come again; nothing else is."""
    for path in SEARCHES:
        began = time.monotonic()
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable"), path
        assert answer.headers["Retry-After"]
        assert (time.monotonic() - began) * 1000 < GIVEN_UP_MS_MAX
    for path in ALL_ELSE:
        assert (await client.get(path)).status_code == 200, path


class Door:
    """A way to the real index that the test can shut."""

    def __init__(self, stack: Settings) -> None:
        self._there = urlsplit(stack.elasticsearch_url.get_secret_value())
        self._open: set[asyncio.StreamWriter] = set()
        self.shut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.shut:
            writer.close()
            return
        back, forth = await asyncio.open_connection(self._there.hostname, self._there.port)
        self._open |= {writer, forth}
        await asyncio.gather(_pass_on(reader, forth), _pass_on(back, writer))

    def close(self) -> None:
        self.shut = True
        for writer in self._open:
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # The other side went: so does this one.
    writer.close()


async def test_an_index_that_goes_takes_only_the_search_with_it_and_comes_back(stack: Settings) -> None:
    door = Door(stack)
    async with edge_before(stack, door.serve) as real, real.client() as client:
        for path in (*SEARCHES, *ALL_ELSE):
            assert (await client.get(path)).status_code == 200, path

        door.close()
        await is_away(client)
        door.shut = False

        async def is_back() -> bool | None:
            return (await client.get("/auctions?q=lens")).status_code == 200 or None

        await found(is_back)
        for path in SEARCHES:
            assert (await client.get(path)).status_code == 200, path


async def test_a_busy_index_is_not_asked_again_and_again(stack: Settings) -> None:
    asked = 0

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await reader.readline():
            asked += 1
            writer.write(TOO_MANY)
            await writer.drain()
            writer.close()
            return

    async with edge_before(stack, busy) as real, real.client() as client:
        await is_away(client)

    assert asked <= len(SEARCHES)


TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)


async def test_a_slow_index_fills_no_edge(stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "IN_FLIGHT_MAX", 8)
    monkeypatch.setattr(search_index, "ANSWER_S", 1.0)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with edge_before(stack, silent) as real, real.client() as client:
        began = time.monotonic()

        async def search(number: int) -> tuple[int, float]:
            answer = await client.get(f"/auctions?q=lens+{number}")
            return answer.status_code, time.monotonic() - began

        waiting = [asyncio.create_task(search(number)) for number in range(20)]
        refused: set[asyncio.Task[tuple[int, float]]] = set()
        while len(refused) < 12:
            refused, still = await asyncio.wait(waiting, timeout=0.05)
        others = [(await client.get(path)).status_code for path in ALL_ELSE]
        all_of_them = await asyncio.gather(*waiting)

    assert {status for status, _ in all_of_them} == {503}
    # Twelve were too many and told so at once, while eight waited.
    assert (len(refused), len(still)) == (12, 8)
    assert others == [200] * len(ALL_ELSE)
    assert max(took for _, took in all_of_them) * 1000 < GIVEN_UP_MS_MAX


async def test_nothing_found_is_an_answer_though_no_suggestion_comes_in_time(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_auctions, "HELP_S", 0.0)

    async with running(stack) as real, real.client() as client:
        answer = await client.get("/auctions?q=zzzqqqxxxjjjkkk")

    assert (answer.status_code, answer.json()["items"], answer.json()["suggestion"]) == (200, [], None)


async def test_an_index_that_is_not_made_yet_is_being_prepared(stack: Settings) -> None:
    async with running(stack) as real, real.client() as client:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(search_index.SearchIndex, "has_stems", _never_rich)
            say = real.edge.search._say
            patched.setattr(
                real.edge.search,
                "_say",
                lambda method, path, *body: say(method, path.replace("/auctions/_pit", "/nowhere/_pit"), *body),
            )
            answer = await client.get("/auctions?q=lens")

    assert (answer.status_code, answer.json()["detail"]) == (503, "The search is being prepared.")


async def _never_rich(_: search_index.SearchIndex) -> bool:
    return False


async def two_lenses(people: NewPeople) -> None:
    [mina] = await people("mina", sellers=1)
    for number in range(2):
        await mina.post("/auctions", {"title": f"Lens number {number}", "startingPrice": 5, "duration": 600})


async def first_of_two(client: httpx.AsyncClient) -> str:
    """The cursor of a page of one, once there are two."""

    async def cursor() -> str | None:
        page = (await client.get("/auctions", params=ONE_EACH)).json()
        return page["nextCursor"] and str(page["nextCursor"])

    return await found(cursor)


ONE_EACH = {"sort": "newest", "limit": "1"}


async def test_everybody_has_a_second_page_however_many_search(
    stack: Settings, people: NewPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "MOMENT_S", 0.0)  # Nobody shares a moment, each search replaces the last one's.
    await two_lenses(people)
    async with running(stack) as real, real.client() as client:
        cursors = await asyncio.gather(*(first_of_two(client) for _ in range(10)))
        pages = await asyncio.gather(
            *(client.get("/auctions", params={**ONE_EACH, "cursor": cursor}) for cursor in cursors)
        )

    assert [page.status_code for page in pages] == [200] * 10
    assert all(page.json()["items"] for page in pages)


async def test_a_page_that_was_left_too_long_is_asked_for_anew(stack: Settings, people: NewPeople) -> None:
    await two_lenses(people)
    async with running(stack) as real, real.client() as client:
        cursor = await first_of_two(client)
        for moment in real.edge.search._moments.values():
            await real.edge.search._say("DELETE", "/_pit", {"id": moment.pit})
        late = await client.get("/auctions", params={**ONE_EACH, "cursor": cursor})
        again = await client.get("/auctions", params=ONE_EACH)

    assert (late.status_code, late.json()["code"]) == (410, "cursor_expired")
    assert again.status_code == 200
