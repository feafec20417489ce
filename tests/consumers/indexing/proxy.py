"""A door in front of the real Elasticsearch that can be slow, busy or shut."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web

HOP_BY_HOP = {"connection", "content-length", "content-encoding", "transfer-encoding", "host", "accept-encoding"}


class Proxy:
    """Passes requests on; `mood` says how bulk requests are met, `writes` counts what was sent for each document."""

    def __init__(self, behind: str) -> None:
        """Take the address of the server behind."""
        self._behind = behind
        self.url = ""
        self.mood = "open"
        """`open`, `busy` (429), `busy-items` (429 for each document), `slow` (no answer in time), `broken` (503), `held`."""
        self.let_go = asyncio.Event()
        """What a request waits for that comes while the mood is `held`, even when its sender is gone."""
        self.held = self.late = 0
        """So many such requests came, and so many reached the server."""
        self.writes: Counter[str] = Counter()
        self.bulks: list[int] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on, or refuse it."""
        body = await request.read()
        bulk = request.path == "/_bulk"
        if bulk:
            self._count(body)
            if self.mood == "busy":
                return _refusal(429, "es_rejected_execution_exception")
            if self.mood == "broken":
                return _refusal(503, "cluster_block_exception")
        is_held = bulk and self.mood == "held"
        if is_held:
            self.held += 1
            await self.let_go.wait()
        async with ClientSession(self._behind) as session:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
            async with session.request(request.method, str(request.rel_url), data=body, headers=headers) as answer:
                said = await answer.read()
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        self.late += is_held
        if bulk and self.mood == "slow":
            await asyncio.sleep(1)
        if bulk and self.mood == "busy-items":
            said = _all_busy(said)
        return web.Response(status=answer.status, body=said, headers=kept)

    def _count(self, body: bytes) -> None:
        heads = [json.loads(line)["index"] for line in body.split(b"\n") if line.startswith(b'{"index":{"_index"')]
        self.writes.update(head["_id"] for head in heads)
        self.bulks.append(len(heads))


def _refusal(status: int, kind: str) -> web.Response:
    error = {"error": {"type": kind, "root_cause": []}, "status": status}
    return web.json_response(error, status=status, headers={"X-Elastic-Product": "Elasticsearch"})


def _all_busy(said: bytes) -> bytes:
    items = json.loads(said)["items"]
    busy = {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}}
    return json.dumps({"items": [{"index": busy} for _ in items]}).encode()


@asynccontextmanager
async def opened(behind: str) -> AsyncIterator[Proxy]:
    """A door on a port of its own."""
    proxy = Proxy(behind)
    application = web.Application(client_max_size=1 << 26)
    application.router.add_route("*", "/{path:.*}", proxy.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    [(_, port)] = [address[:2] for address in runner.addresses]
    proxy.url = f"http://127.0.0.1:{port}"
    try:
        yield proxy
    finally:
        await runner.cleanup()
