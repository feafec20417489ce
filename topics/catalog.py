"""Every topic: what flows, who writes, who reads, how long it is kept."""

from dataclasses import dataclass, field
from datetime import timedelta

DAY = timedelta(days=1)
COMMANDS_KEPT = 7 * DAY
EVENTS_KEPT = 365 * DAY
ACTIVITY_KEPT = 90 * DAY
DEAD_KEPT = 30 * DAY
REPLIES_KEPT = timedelta(minutes=10)

MESSAGE_BYTES_MAX = 1_048_576
"""The largest record that the broker takes on any topic."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the catalog; `partitions` is None where the setting `PARTITIONS` decides."""

    name: str
    key: str
    why: str
    writers: tuple[str, ...]
    readers: dict[str, str]
    """Consumer group -> what it reads for; a reader without a group is named in `followers`."""
    kept: timedelta
    owner: str
    personal: str = "opaque ids"
    followers: tuple[str, ...] = ()
    log_append_time: bool = False
    partitioned_by_setting: str = "partitions"
    config: dict[str, str] = field(default_factory=dict)

    @property
    def dead_letters(self) -> list[str]:
        """Names of the dead-letter topics of this topic's groups."""
        return [dead_letter_topic(self.name, group) for group in self.readers]


def dead_letter_topic(topic: str, group: str) -> str:
    """Name of the topic that holds what a group could not take from a topic."""
    return f"{topic}.{group}.dead"


AUCTION_COMMANDS = Topic(
    name="auction-commands",
    key="auctionId",
    why="what people and the clock ask of an auction; the broker's clock says whether a bid is in time",
    writers=("edge", "clock"),
    readers={"auction-processors": "bids decides"},
    kept=COMMANDS_KEPT,
    owner="bids",
    log_append_time=True,
)
AUCTION_EVENTS = Topic(
    name="auction-events",
    key="auctionId",
    why="what happened to an auction, in its order",
    writers=("bids",),
    readers={
        "auction-views": "bids' own read views in Redis",
        "index-processors": "indexing keeps the search index",
        "payment-processors-auctions": "payments learns what sold and who bid",
    },
    followers=("live",),
    kept=EVENTS_KEPT,
    owner="bids",
)
USER_COMMANDS = Topic(
    name="user-commands",
    key="userId",
    why="what people ask of their account",
    writers=("edge", "cli"),
    readers={"user-processors": "accounts decides"},
    kept=COMMANDS_KEPT,
    owner="accounts",
    personal="e-mail, names and passwords, sealed",
)
USER_EVENTS = Topic(
    name="user-events",
    key="userId",
    why="what happened to an account",
    writers=("accounts",),
    readers={
        "auction-processors-users": "bids learns who is suspended",
        "video-processors-users": "transcoding learns who left",
        "notification-processors": "notifications sends the verification and reset e-mails",
        "index-processors-users": "indexing keeps the search index",
        "payment-processors-users": "payments forgets who left",
    },
    kept=EVENTS_KEPT,
    owner="accounts",
    personal="username; e-mail sealed with the person's own key",
)
VIDEO_COMMANDS = Topic(
    name="video-commands",
    key="videoId",
    why="what people ask of a film or picture, and what the runners made of it",
    writers=("edge", "transcoding"),
    readers={"video-processors": "transcoding decides"},
    kept=COMMANDS_KEPT,
    owner="transcoding",
)
VIDEO_EVENTS = Topic(
    name="video-events",
    key="videoId",
    why="what became of a film or picture, from upload to withdrawal",
    writers=("transcoding",),
    readers={
        "auction-processors-videos": "bids learns whose films are ready",
        "user-processors-videos": "accounts learns of avatars",
    },
    followers=("live",),
    kept=EVENTS_KEPT,
    owner="transcoding",
)
NOTIFICATION_COMMANDS = Topic(
    name="notification-commands",
    key="userId",
    why="what the outside world answered to a message we sent",
    writers=("notifications",),
    readers={"notification-processors-commands": "notifications records the outcome"},
    kept=COMMANDS_KEPT,
    owner="notifications",
)
NOTIFICATION_EVENTS = Topic(
    name="notification-events",
    key="userId",
    why="which message was sent, delivered or given up",
    writers=("notifications",),
    readers={},
    kept=EVENTS_KEPT,
    owner="notifications",
)
ACTIVITY_EVENTS = Topic(
    name="activity-events",
    key="searcherId, a name for one person on one day",
    why="what people search for, what they are shown and what of it they open",
    writers=("edge",),
    readers={},
    kept=ACTIVITY_KEPT,
    owner="edge",
    personal="words typed into the search, under a name that changes daily; e-mail addresses and long numbers cut out",
)
PAYMENT_COMMANDS = Topic(
    name="payment-commands",
    key="orderId, or the person's id",
    why="what people, time and the provider ask of an order",
    writers=("edge", "payments"),
    readers={"payment-processors": "payments decides"},
    kept=COMMANDS_KEPT,
    owner="payments",
    personal="addresses and tracking numbers, sealed",
)
PAYMENT_EVENTS = Topic(
    name="payment-events",
    key="orderId, or the person's id",
    why="what happened to an order, its payment and its payout",
    writers=("payments",),
    readers={
        "user-processors-payments": "accounts learns ratings and strikes",
        "auction-processors-payments": "bids learns strikes",
        "notification-processors-payments": "notifications writes to buyer and seller",
    },
    followers=("live",),
    kept=EVENTS_KEPT,
    owner="payments",
)
REPLIES = Topic(
    name="replies",
    key="explicit partition",
    why="a worker's answer to the edge process that asks",
    writers=("bids", "accounts", "payments", "transcoding"),
    readers={},
    followers=("edge",),
    kept=REPLIES_KEPT,
    owner="edge",
    partitioned_by_setting="reply_partitions",
)

CATALOG: tuple[Topic, ...] = (
    AUCTION_COMMANDS,
    AUCTION_EVENTS,
    USER_COMMANDS,
    USER_EVENTS,
    VIDEO_COMMANDS,
    VIDEO_EVENTS,
    NOTIFICATION_COMMANDS,
    NOTIFICATION_EVENTS,
    ACTIVITY_EVENTS,
    PAYMENT_COMMANDS,
    PAYMENT_EVENTS,
    REPLIES,
)

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in CATALOG}
