"""Who may be here: tickets, how many sockets of one person or address, and whose session has ended meanwhile."""

import hashlib
import ipaddress
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Generic, Protocol, TypeVar

import msgspec
from redis.asyncio import Redis

SOCKETS_PER_PERSON = 20
SOCKETS_PER_ADDRESS = 100
ASKED_AT_ONCE = 200
TICKET_LIFE_S = 30


class Ticket(msgspec.Struct, frozen=True):
    """What the edge knew when it gave out the ticket; `sub` is None for somebody who is not logged in."""

    sub: str | None = None
    sid: str | None = None
    exp: float | None = None
    """When the access token ends, seconds since 1970."""
    iat: float | None = None
    """When the access token was made, seconds since 1970."""


NOBODY = Ticket()
_read_ticket = msgspec.json.Decoder(Ticket).decode


class Guest(Protocol):
    """One socket, as this module sees it."""

    ticket: Ticket
    since: float
    """When it came, seconds since 1970."""


async def redeem(redis: Redis, ticket: str) -> Ticket | None:
    """Take a ticket out of Redis, so that it serves once; None when there is none of that name."""
    found = await redis.getdel(f"ticket:{hashlib.sha256(ticket.encode()).hexdigest()}")
    if found is None:
        return None
    try:
        return _read_ticket(found)
    except msgspec.MsgspecError:
        return None


def neighbourhood(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 household is given."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def address_behind(peer: str, forwarded: str | None, trusted: frozenset[str]) -> str:
    """The address of a client: the last one in `X-Forwarded-For` that is not a proxy of ours."""
    address = peer
    for hop in reversed((forwarded or "").split(",")):
        if address not in trusted or not hop.strip():
            break
        address = hop.strip()
    return address


G = TypeVar("G", bound=Guest)


class Presence(Generic[G]):
    """Every socket, by person and by address."""

    def __init__(self) -> None:
        self._by_person: dict[str, set[G]] = {}
        self._by_address: Counter[str] = Counter()

    def __contains__(self, person: object) -> bool:
        return person in self._by_person

    def __bool__(self) -> bool:
        return bool(self._by_person)

    def of(self, person: str) -> list[G]:
        """The sockets of a person."""
        return list(self._by_person.get(person, ()))

    def arrive(self, address: str) -> bool:
        """Count one more socket of an address; False when that is one too many. `leave` must follow in both cases."""
        self._by_address[address] += 1
        return self._by_address[address] <= SOCKETS_PER_ADDRESS

    def leave(self, address: str) -> None:
        """The socket that arrived is gone."""
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def enter(self, guest: G) -> bool:
        """Count one more socket of a person; False, and not counted, when that is one too many."""
        if guest.ticket.sub is None:
            return True
        sockets = self._by_person.setdefault(guest.ticket.sub, set())
        if len(sockets) >= SOCKETS_PER_PERSON:
            return False
        sockets.add(guest)
        return True

    def exit(self, guest: G) -> None:
        """A person's socket is gone; safe for one that never entered."""
        person = guest.ticket.sub
        sockets = self._by_person.get(person or "", set())
        sockets.discard(guest)
        if person is not None and not sockets:
            self._by_person.pop(person, None)

    def expired(self) -> list[G]:
        """Those whose token has come to its end."""
        now = time.time()
        everyone = (guest for guests in self._by_person.values() for guest in guests)
        return [guest for guest in everyone if guest.ticket.exp is not None and guest.ticket.exp <= now]

    async def revoked(self, redis: Redis) -> AsyncIterator[G]:
        """Those whose token was revoked or blacklisted, or whose account is suspended; raises when Redis is away."""
        everyone = list(self._by_person)
        for start in range(0, len(everyone), ASKED_AT_ONCE):
            persons = everyone[start : start + ASKED_AT_ONCE]
            guests = [guest for person in persons for guest in self.of(person)]
            keys = [f"{kind}:user:{person}" for person in persons for kind in ("revoked", "suspended")]
            keys += [f"blacklist:session:{guest.ticket.sid}" for guest in guests]
            found = dict(zip(keys, await redis.mget(keys), strict=True))
            for guest in guests:
                if _is_revoked(guest, found):
                    yield guest


def _is_revoked(guest: Guest, found: Mapping[str, bytes | str | None]) -> bool:
    ticket = guest.ticket
    revoked = found[f"revoked:user:{ticket.sub}"]
    # A ticket that does not say how old its token is may be as old as a ticket can be.
    made = guest.since - TICKET_LIFE_S if ticket.iat is None else ticket.iat
    return (
        found[f"suspended:user:{ticket.sub}"] is not None
        or found[f"blacklist:session:{ticket.sid}"] is not None
        or (revoked is not None and made < float(revoked))
    )
