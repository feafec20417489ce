"""Every process of the system, in one table: what runs, what it waits for, how often it may run."""

from dataclasses import dataclass
from typing import Literal

from compose.trouble import Trouble

Kind = Literal["server", "once", "process"]


@dataclass(frozen=True)
class Program:
    """One row. `needs` are the programs that must be ready before this one is started."""

    name: str
    kind: Kind
    says: str
    module: str = ""  # python -m MODULE; servers have none
    needs: tuple[str, ...] = ()
    scalable: bool = False
    people: bool = False  # has a port of its own in [ports], shown with its address
    internal: bool = True  # has an internal listener: health, readiness, metrics
    nice: int = 0  # how far it stands back when all cores are taken: who waits for an answer goes first


SERVERS = ("postgres", "redis", "kafka")
FOLLOWS = 5
"""Niceness of what only follows what was decided."""
WORKS_LONG = 10
"""Niceness of what takes a core for minutes."""

PROGRAMS: tuple[Program, ...] = (
    Program("postgres", "server", "what was decided"),
    Program("redis", "server", "current prices, limits, tickets"),
    Program("kafka", "server", "commands and events on their way"),
    Program("elasticsearch", "server", "what people search"),
    Program("s3", "server", "films and pictures"),
    Program("cdn", "server", "stand-in for CloudFront: films and pictures, signed", people=True),
    Program(
        "cloudfront",
        "process",
        "stand-in for CloudFront's API: invalidations",
        "compose.sandboxes.cloudfront",
        people=True,
        internal=False,
    ),
    Program("topics", "once", "creates the topics", "topics.create", needs=("kafka",)),
    Program(
        "sendgrid",
        "process",
        "stand-in for SendGrid, shows sent mail",
        "compose.sandboxes.sendgrid",
        people=True,
        internal=False,
    ),
    Program(
        "stripe",
        "process",
        "stand-in for Stripe, shows what was paid",
        "compose.sandboxes.stripe",
        people=True,
        internal=False,
    ),
    Program("accounts", "process", "decides about people", "consumers.accounts", ("topics", *SERVERS), scalable=True),
    Program("bids", "process", "decides about auctions", "consumers.bids", ("topics", *SERVERS), scalable=True),
    Program(
        "bid-views",
        "process",
        "current prices into Redis",
        "consumers.bids.views",
        ("topics", *SERVERS),
        scalable=True,
        nice=FOLLOWS,
    ),
    Program(
        "notifications",
        "process",
        "writes to people",
        "consumers.notifications",
        ("topics", *SERVERS),
        scalable=True,
        nice=FOLLOWS,
    ),
    Program(
        "indexing",
        "process",
        "auctions and people into Elasticsearch",
        "consumers.indexing",
        ("topics", *SERVERS, "elasticsearch"),
        scalable=True,
        nice=FOLLOWS,
    ),
    Program("payments", "process", "decides about orders", "consumers.payments", ("topics", *SERVERS), scalable=True),
    Program(
        "transcoding",
        "process",
        "films to HLS, pictures to sizes",
        "consumers.transcoding",
        ("topics", "s3", *SERVERS),
        scalable=True,
        nice=WORKS_LONG,
    ),
    Program(
        "marker",
        "process",
        "viewers' own renditions, just in time",
        "consumers.transcoding.marking",
        ("s3", "postgres"),
    ),
    Program("clock", "process", "says when time is up", "producers.clock", ("topics", *SERVERS), scalable=True),
    Program("live", "process", "WebSocket", "edge_api.live", ("topics", *SERVERS), people=True),
    Program("edge", "process", "HTTP", "edge_api", ("topics", *SERVERS), people=True),
)

BY_NAME = {program.name: program for program in PROGRAMS}
SLOTS_MAX = 20


def known(name: str) -> Program:
    """The program called `name`; raises Trouble when there is none."""
    if name not in BY_NAME:
        raise Trouble(f"There is no program '{name}'.", fix=f"one of: {', '.join(BY_NAME)}", code=2)
    return BY_NAME[name]


def with_needs(names: list[str]) -> list[Program]:
    """The named programs and what they need, in the table's order; all when no name is given.

    Raises Trouble for an unknown name.
    """
    for name in names:
        known(name)
    wanted: set[str] = set()
    waiting = list(names) or list(BY_NAME)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(BY_NAME[name].needs)
    return [program for program in PROGRAMS if program.name in wanted]


@dataclass(frozen=True)
class Instance:
    """One running copy of a program: slot 1, 2, ..."""

    program: Program
    slot: int = 1

    @property
    def name(self) -> str:
        return f"{self.program.name}-{self.slot}" if self.program.scalable else self.program.name


def instances(programs: list[Program], scale: dict[str, int]) -> list[Instance]:
    """Every copy to run; `scale` says how many of which, one by default."""
    return [
        Instance(program, slot)
        for program in programs
        for slot in range(1, (scale.get(program.name, 1) if program.scalable else 1) + 1)
    ]
