"""Which topics indexing takes, and what writes its index."""

from functools import partial
from pathlib import Path

from compose.settings import Settings
from consumers.indexing.desk import Learner
from consumers.indexing.gateway import Index
from consumers.indexing.mapping import KINDS, Kind
from consumers.indexing.poison import GROUPS, TOPICS, Burials
from consumers.indexing.said import AUCTION_EVENTS, USER_EVENTS, readers
from consumers.indexing.writer import Writer
from consumers.runtime import Inbox, takes
from consumers.runtime.worker import Worker

EVENTS = {"auctions": AUCTION_EVENTS, "users": USER_EVENTS}


def build(settings: Settings) -> Worker:
    """The worker as one process runs it."""
    index = Index(settings.elasticsearch_url.get_secret_value())
    writer = Writer(index, Burials(settings.kafka_bootstrap), window_ms=settings.index_window_ms)

    def learner(kind: Kind, _partition: int) -> Learner:
        return Learner(kind, window_ms=settings.index_window_ms, wake=writer.wake)

    return Worker(
        name="indexing",
        schema="indexing",
        sql=Path(__file__).parent,
        inboxes=[
            Inbox(
                topic=TOPICS[kind],
                group=GROUPS[kind],
                takes=takes(**readers(EVENTS[kind])),
                make_desk=partial(learner, kind),
                commands=False,
            )
            for kind in KINDS
        ],
        alongside=writer.run,
        after=writer.close,
    )
