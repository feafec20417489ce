"""Elasticsearch: the one place that speaks to it, and what its answers mean for a document."""

import asyncio
import logging
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch, BadRequestError, NotFoundError

from consumers.indexing import mapping
from consumers.indexing.mapping import FILTERS, Kind
from consumers.indexing.project import Shown

ANSWERS_WITHIN_S = 20.0
"""Without an answer for so long, nobody knows whether the server took what it was sent."""
BULK_BYTES_MAX = 8 << 20
SEARCH_BEGINS_WITHIN_S = 0.5

_PASSING = frozenset({401, 403, 408, 429})
"""What a server answers that is overloaded, full, closed for writes or not to be entered with our key: no document's fault."""

# At INFO the client logs a line for each request.
logging.getLogger("elastic_transport").setLevel(logging.WARNING)

_encode = msgspec.json.Encoder().encode


class Unavailable(Exception):
    """Elasticsearch is away, too slow, overloaded or refuses us: the same will succeed later."""


class Fate(Enum):
    """What became of one document in one index."""

    STANDS = "stands"
    """Written, or one at least as new stands there already."""
    LATER = "later"
    HOMELESS = "homeless"
    """There is no such index."""
    REFUSED = "refused"


class Outcome(NamedTuple):
    """What became of one operation, and why."""

    fate: Fate
    reason: str = ""


class Operation(NamedTuple):
    """A document on its way into an index (`require_alias` when the name must be an alias)."""

    into: str
    id: UUID
    shown: Shown
    require_alias: bool = False

    def lines(self) -> tuple[bytes, bytes]:
        """As the bulk API wants it; an older version than what stands is refused there."""
        head = b'{"index":{"_index":"%b","_id":"%b","version":%d,"version_type":"external"%b}}' % (
            self.into.encode(),
            str(self.id).encode(),
            self.shown.version,
            b',"require_alias":true' if self.require_alias else b"",
        )
        return head, _encode(self.shown.fields)


class Index:
    """The indices and their aliases."""

    def __init__(self, url: str) -> None:
        """Take the address with its credentials."""
        # Trying again is the writer's, which knows what has become newer meanwhile.
        self.client = AsyncElasticsearch(url, max_retries=0, request_timeout=ANSWERS_WITHIN_S)

    async def close(self) -> None:
        """Let the connections go."""
        await self.client.close()

    async def stands(self, kind: Kind) -> bool:
        """Whether the alias of a kind leads to an index; raises Unavailable."""
        try:
            return bool(await self.client.indices.exists_alias(name=kind))
        except (ApiError, TransportError) as error:
            raise _away(error) from error

    async def free_name(self, kind: Kind) -> str:
        """The name after those of all indices of a kind that stand; raises Unavailable."""
        try:
            standing = await self.client.indices.get(index=f"{kind}-*", allow_no_indices=True)
        except (ApiError, TransportError) as error:
            raise _away(error) from error
        return f"{kind}-{max((int(name.rpartition('-')[2]) for name in standing), default=0) + 1}"

    async def make(self, kind: Kind, name: str, *, alias: bool = False) -> None:
        """Make an index for what this server can do; raises Unavailable, and BadRequestError when it stands."""
        aliases: dict[str, Any] = {kind: {"filter": FILTERS[kind], "is_write_index": True}} if alias else {}
        try:
            body = mapping.body(kind, plugins=await self._plugins())
            await self.client.indices.create(index=name, **body, aliases=aliases)
        except BadRequestError:
            raise
        except (ApiError, TransportError) as error:
            raise _away(error) from error

    async def extend(self, kind: Kind) -> str:
        """Add fields that the standing index does not know yet; returns why it cannot be done, or nothing."""
        try:
            properties = mapping.body(kind, plugins=await self._plugins())["mappings"]["properties"]
            await self.client.indices.put_mapping(index=kind, properties=properties)
        except BadRequestError as error:
            return str(error.error)
        except (ApiError, TransportError) as error:
            raise _away(error) from error
        return ""

    async def _plugins(self) -> set[str]:
        said = await self.client.nodes.info(metric="plugins", filter_path="nodes.*.modules.name,nodes.*.plugins.name")
        known = [
            {one["name"] for one in (*node.get("modules", ()), *node.get("plugins", ()))}
            for node in said["nodes"].values()
        ]
        # An index may come to lie on any node.
        return set.intersection(*known) if known else set()

    async def write(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Write documents; what became of each, in order. Raises Unavailable when nobody knows."""
        outcomes: list[Outcome] = []
        for part in _parts([operation.lines() for operation in operations]):
            outcomes += await self._bulk(part)
        return outcomes

    async def _bulk(self, lines: Sequence[tuple[bytes, bytes]]) -> list[Outcome]:
        # The client passes on what is encoded already, though its types do not say so.
        encoded: list[Any] = [line for pair in lines for line in pair]
        try:
            said = await self.client.bulk(
                operations=encoded,
                filter_path="items.*.status,items.*.error.type,items.*.error.reason",
            )
        except (ApiError, TransportError) as error:
            if isinstance(error, ApiError) and error.status_code in (400, 413):
                return await self._one_by_one(lines, error)
            raise _away(error) from error
        return [_outcome(item["index"]) for item in said["items"]]

    async def _one_by_one(self, lines: Sequence[tuple[bytes, bytes]], error: ApiError) -> list[Outcome]:
        if len(lines) == 1:
            return [Outcome(Fate.REFUSED, f"index: {error.error}")]
        return [outcome for pair in lines for outcome in await self._bulk([pair])]

    async def behind(self, kind: Kind) -> str | None:
        """Name of the index that the alias of a kind leads to; raises Unavailable."""
        try:
            [name] = await self.client.indices.get_alias(name=kind)
        except NotFoundError:
            return None
        except (ApiError, TransportError) as error:
            raise _away(error) from error
        return str(name)

    async def swap(self, kind: Kind, name: str) -> None:
        """Lead the alias of a kind to another index, in one step; the one before goes unless somebody pages through it.

        Raises Unavailable.
        """
        before = await self.behind(kind)
        actions: list[dict[str, Any]] = [
            {"add": {"index": name, "alias": kind, "filter": FILTERS[kind], "is_write_index": True}}
        ]
        if before is not None and before != name:
            actions.append({"remove": {"index": before, "alias": kind}})
        try:
            await self.client.indices.update_aliases(actions=actions)
            # A search that began before may not have reached its shard yet.
            await asyncio.sleep(SEARCH_BEGINS_WITHIN_S)
            await self.tidy(kind, keep=name)
        except (ApiError, TransportError) as error:
            raise _away(error) from error

    async def tidy(self, kind: Kind, *, keep: str) -> None:
        """Delete the indices of a kind but one; those that somebody pages through stay until the next time."""
        said = await self.client.indices.stats(index=f"{kind}-*", metric="search")
        for name, stats in said["indices"].items():
            if name != keep and stats["total"]["search"]["open_contexts"] == 0:
                await self.client.indices.delete(index=name)


def _parts(lines: Sequence[tuple[bytes, bytes]]) -> list[list[tuple[bytes, bytes]]]:
    parts: list[list[tuple[bytes, bytes]]] = []
    size = BULK_BYTES_MAX
    for pair in lines:
        long = len(pair[0]) + len(pair[1])
        if size + long > BULK_BYTES_MAX:
            parts.append([])
            size = 0
        parts[-1].append(pair)
        size += long
    return parts


def _outcome(item: dict[str, Any]) -> Outcome:
    status, error = item["status"], item.get("error", {})
    reason = str(error.get("type", ""))
    if status < 300 or status == 409:
        return Outcome(Fate.STANDS)
    if status == 404:
        return Outcome(Fate.HOMELESS, reason)
    if status in _PASSING or status >= 500:
        return Outcome(Fate.LATER, reason)
    # The reason names fields and repeats what people wrote: only its kind goes further.
    return Outcome(Fate.REFUSED, f"index: {reason}")


def _away(error: Exception) -> Exception:
    if isinstance(error, ApiError) and error.status_code not in _PASSING and error.status_code < 500:
        return error
    kind = f"{error.status_code} {error.error}" if isinstance(error, ApiError) else type(error).__name__
    return Unavailable(kind)
