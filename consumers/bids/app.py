"""What comes in to bids, and what each kind of message is read by."""

from pathlib import Path

from compose.settings import Settings
from consumers.bids.asked import READERS
from consumers.bids.desk import AuctionDesk
from consumers.bids.films import READERS as FILM_READERS
from consumers.bids.films import learn as learn_films
from consumers.bids.store import AUCTION, PARTICIPATION
from consumers.bids.suspended import READERS as STANDING_READERS
from consumers.bids.suspended import STRIKE_READERS, Suspended, learn, learn_strikes
from consumers.runtime import Inbox, emits, takes
from consumers.runtime.worker import Worker
from topics.catalog import AUCTION_COMMANDS, AUCTION_EVENTS, PAYMENT_EVENTS, USER_EVENTS, VIDEO_EVENTS

SCHEMA = "bids"
SQL = Path(__file__).parent

TOLD = (
    "AuctionCreated",
    "AuctionUpdated",
    "BidPlaced",
    "MaximumRaised",
    "BidRefused",
    "AuctionExtended",
    "AuctionEnded",
    "AuctionCancelled",
    "BidRetracted",
    "PriceRecomputed",
    "ReserveLowered",
    "BidderBlocked",
)


def build(_settings: Settings) -> Worker:
    """The worker that decides about auctions."""
    suspended = Suspended()
    return Worker(
        name="bids",
        schema=SCHEMA,
        sql=SQL,
        inboxes=[
            Inbox(
                topic=AUCTION_COMMANDS.name,
                group="auction-processors",
                takes=takes(**READERS),
                make_desk=lambda _partition: AuctionDesk(suspended),
                events_topic=AUCTION_EVENTS.name,
                emits=emits(*TOLD),
                state=AUCTION,
                beside=PARTICIPATION,
            ),
            Inbox(
                topic=USER_EVENTS.name,
                group="auction-processors-users",
                takes=takes(**STANDING_READERS),
                apply=learn,
                commands=False,
            ),
            Inbox(
                topic=PAYMENT_EVENTS.name,
                group="auction-processors-payments",
                takes=takes(**STRIKE_READERS),
                apply=learn_strikes,
                commands=False,
            ),
            Inbox(
                topic=VIDEO_EVENTS.name,
                group="auction-processors-videos",
                takes=takes(**FILM_READERS),
                apply=learn_films,
                commands=False,
            ),
        ],
    )
