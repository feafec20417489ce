"""The desk of one partition of auction-commands: commands in their order, decided on auctions kept in memory."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from consumers.bids import asked, store
from consumers.bids.answers import answer, refusal
from consumers.bids.auction import UNOPENED, Auction, Draft, Unopened, advance, evolve
from consumers.bids.commands import Answer, Remembered
from consumers.bids.decide import decide
from consumers.bids.events import AuctionCreated, AuctionEvent, AuctionUpdated, DraftOpened, DraftUpdated
from consumers.bids.films import OFFERS, Film, film_of, load_films, objection
from consumers.bids.listing import Listing, listing_of
from consumers.bids.meant import command_of, may_ask
from consumers.bids.outcome import Outcome
from consumers.bids.standing import Standing, fold_standing
from consumers.bids.suspended import Suspended
from consumers.bids.told import bid_id, tell
from consumers.runtime import Actor, Database, Decision, Incoming, OutEvent, Verdict, Write
from consumers.runtime.messages import Remembered as Earlier

CACHED_AUCTIONS: Final = 50_000
"""How many auctions a partition keeps in memory; the ones longest without a command go first."""

CACHED_STANDING: Final = 50_000
"""Standing bids that a partition keeps in memory, after a retraction needed them; longer lists are read each time."""

CACHED_BIDDERS: Final = 50_000

SAID_AGAIN_MS: Final = 60_000
"""The last bid of a bidder in an auction is written down at most this often."""

# What has no place in these costs as little as it can: whether a struct is NOT of a class is a dear question.
_NEEDS_MORE: Final = frozenset({asked.UpdateAuction, asked.PublishAuction, asked.RetractBid, asked.BlockBidder})
_OFFERS: Final = frozenset({AuctionCreated, DraftOpened, AuctionUpdated, DraftUpdated})

_OTHER_BODY: Final = Remembered(same_body=False, answer=Answer("refused", "idempotency_conflict"))


class AuctionDesk:
    """Decides for one partition; thrown away whole after a failure, so nothing in it outlives a lost commit."""

    def __init__(self, suspended: Suspended, *, cached_auctions: int = CACHED_AUCTIONS) -> None:
        self._suspended = suspended
        self._cached_auctions = cached_auctions
        self._auctions: OrderedDict[UUID, Auction] = OrderedDict()
        self._standing: dict[UUID, Standing] = {}
        self._bidders: dict[tuple[UUID, str], int] = {}
        # Of the batch in hand:
        self._listings: dict[UUID, Listing] = {}
        self._changed: set[UUID] = set()
        self._offered: set[UUID] = set()
        self._films: dict[UUID, Film] = {}
        self._participants: dict[tuple[UUID, str], int] = {}

    async def decide(self, batch: Sequence[Incoming], earlier: Mapping[UUID, Earlier], db: Database) -> Verdict:
        """One decision per command, with the rows that they change."""
        await self._suspended.refresh(db)
        await self._load(batch, db)
        verdict = Verdict([self._judge(incoming, incoming.id in earlier) for incoming in batch])
        verdict.state = [store.auction_row(auction_id, self._auctions[auction_id]) for auction_id in self._changed]
        verdict.writes = self._writes()
        self._forget()
        return verdict

    async def _load(self, batch: Sequence[Incoming], db: Database) -> None:
        missing = {incoming.aggregate for incoming in batch} - self._auctions.keys()
        if missing:
            self._auctions.update(await store.load_auctions(db, missing))
        for incoming in batch:
            if type(incoming.body) not in _NEEDS_MORE:
                continue
            match incoming.body:
                case asked.UpdateAuction() | asked.PublishAuction():
                    self._listings |= await store.load_listings(db, [incoming.aggregate])
                case asked.RetractBid() | asked.BlockBidder(cancel_bids=True) if (
                    incoming.aggregate not in self._standing
                ):
                    self._standing[incoming.aggregate] = await store.load_standing(db, incoming.aggregate)
        offers = [incoming for incoming in batch if type(incoming.body) in OFFERS]
        self._films = await load_films(db, {film for one in offers if (film := self._film(one)) is not None})

    def _film(self, incoming: Incoming) -> UUID | None:
        before = self._auctions.get(incoming.aggregate, UNOPENED)
        return film_of(incoming.body, self._listing(incoming.aggregate, before))

    def _judge(self, incoming: Incoming, used_before: bool) -> Decision:  # noqa: FBT001 - an answer of its caller
        body, actor, auction_id = incoming.body, incoming.actor, incoming.aggregate
        before = self._auctions.get(auction_id, UNOPENED)
        if actor is None or not may_ask(body, actor):
            return Decision(incoming, "refused", "not_allowed", refusal("not_allowed", auction_id))
        if used_before and isinstance(before, Unopened):
            return Decision(incoming, "refused", "idempotency_conflict", refusal("idempotency_conflict", auction_id))
        command = command_of(
            body,
            actor=actor,
            auction=before,
            listing=self._listing(auction_id, before),
            at_ms=incoming.at_ms,
            deadline=incoming.deadline_ms,
            suspended=actor.id in self._suspended,
            strikes=self._suspended.strikes_of(actor.id, at_ms=incoming.at_ms),
        )
        outcome = decide(
            before,
            command,
            incoming.at_ms,
            standing=self._standing_for(body, auction_id, actor),
            earlier=_OTHER_BODY if used_before else None,
        )
        if type(body) in OFFERS and outcome.answer.outcome == "accepted":
            code = objection(body, before, self._listing(auction_id, before), actor.id, self._films)
            if code is not None:
                return Decision(incoming, "refused", code, refusal(code, auction_id))
        auction, told = self._apply(auction_id, before, outcome, body)
        self._remember_bidder(auction_id, actor, body, outcome)
        return Decision(
            incoming,
            outcome.answer.outcome,
            outcome.answer.code,
            answer(
                body,
                auction_id=auction_id,
                actor=actor,
                auction=auction,
                outcome=outcome,
                told=told,
                listing=self._listing(auction_id, auction),
            ),
            told,
            store.write_facts(outcome.events) if told else None,
        )

    def _standing_for(self, body: Any, auction_id: UUID, actor: Actor) -> Standing | None:
        """The standing bids; none to a bidder who points at a bid that is not a standing one of his own."""
        standing = self._standing.get(auction_id)
        if standing is None or not isinstance(body, asked.RetractBid):
            return standing
        pointed_at = str(body.bid_id)
        own = (seq for seq, bid in standing.items() if bid.bidder == actor.id)
        return standing if any(bid_id(auction_id, seq) == pointed_at for seq in own) else {}

    def _apply(self, auction_id: UUID, before: Auction, outcome: Outcome, body: Any) -> tuple[Auction, list[OutEvent]]:
        auction, told = before, []
        message, seen_ms = (body.message, body.stream_time_ms) if isinstance(body, asked.PlaceBid) else (None, None)
        standing = self._standing.get(auction_id)
        for event in outcome.events:
            previous, auction = auction, evolve(auction, event)
            if standing is not None:
                fold_standing(standing, event)
            listing = self._offer(auction_id, event, previous) if type(event) in _OFFERS else None
            told.append(tell(auction_id, event, previous, auction, listing, message, seen_ms))
        if not told:
            auction = advance(before, outcome.at)
        if auction is not before:
            self._auctions[auction_id] = auction
            self._changed.add(auction_id)
        if auction_id in self._auctions:
            self._auctions.move_to_end(auction_id)
        return auction, told

    def _offer(self, auction_id: UUID, event: AuctionEvent, previous: Auction) -> Listing | None:
        """The listing after an event that says or changes it; None for all others."""
        match event:
            case AuctionCreated() | DraftOpened() | AuctionUpdated() | DraftUpdated():
                kept = event.listing
                listing = self._listing(auction_id, previous) if kept is None else listing_of(kept)
                if listing is None:
                    raise ValueError("an auction without a listing")
                self._listings[auction_id] = listing
                self._offered.add(auction_id)
                return listing
            case _:
                return None

    def _listing(self, auction_id: UUID, auction: Auction) -> Listing | None:
        if type(auction) is Draft:
            return listing_of(auction.listing)
        return self._listings.get(auction_id)

    def _remember_bidder(self, auction_id: UUID, actor: Actor, body: Any, outcome: Outcome) -> None:
        if outcome.answer.outcome != "accepted" or not isinstance(body, asked.PlaceBid | asked.BuyNow):
            return
        key = (auction_id, actor.id)
        said = self._bidders.get(key)
        if said is None or outcome.at - said >= SAID_AGAIN_MS:
            self._bidders[key] = self._participants[key] = outcome.at

    def _writes(self) -> list[Write]:
        writes = []
        if self._offered:
            rows = [
                store.offer_row(auction_id, self._auctions[auction_id], self._listings[auction_id])
                for auction_id in self._offered
            ]
            writes.append(Write(store.OFFER, rows))
        if self._participants:
            writes.append(store.participation(self._participants))
        return writes

    def _forget(self) -> None:
        """Empty what belonged to the batch, and let go of what is longest unused."""
        self._listings, self._participants = {}, {}
        self._changed, self._offered = set(), set()
        while len(self._auctions) > self._cached_auctions:
            self._auctions.popitem(last=False)
        kept = sum(map(len, self._standing.values()))
        while kept > CACHED_STANDING:
            kept -= len(self._standing.pop(next(iter(self._standing))))
        if len(self._bidders) > CACHED_BIDDERS:
            self._bidders.clear()
