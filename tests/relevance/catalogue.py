"""2,000 auctions as people write them, from a seed; each with the facts by which an answer is judged, not its text."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from tests.relevance.goods import CLOSERS, CROSS_TALK, FAMILIES, FOREIGN, Family

SEED = 20_261_126
SIZE = 2_000
SELLERS = ("mina", "attic-finds", "old.glass", "kyoto_antik", "benny", "the-record-man", "lena.m", "grandfathers-watch")
HOUR_MS = 3_600_000
NOW_MS = 1_795_000_000_000
"""The instant of the catalogue: what ended, ended before it."""


@dataclass(frozen=True)
class Lot:
    """One auction: its text, and what it truly is (`kind`, `maker`, `model`, `part` for an accessory)."""

    id: UUID
    title: str
    description: str
    category: str
    tags: tuple[str, ...]
    seller: str
    status: str
    created_ms: int
    ends_ms: int
    price_minor: int
    bids: int
    facts: dict[str, str]


def catalogue() -> list[Lot]:
    """The whole catalogue: always the same."""
    dice = random.Random(SEED)
    lots = [_foreign(dice, number) for number in range(len(FOREIGN))]
    shares = [family.share for family in FAMILIES]
    while len(lots) < SIZE:
        [family] = dice.choices(FAMILIES, shares)
        lots.append(_lot(dice, family))
    return lots


def _lot(dice: random.Random, family: Family) -> Lot:
    maker = dice.choice(list(family.makers))
    model, kind = dice.choice(family.makers[maker]), dice.choice(family.kinds)
    part = dice.choice(family.extras) if family.extras and dice.random() < 0.15 else ""
    facts = {
        "category": family.category,
        "kind": kind,
        "maker": maker,
        "model": model,
        "part": part,
        "colour": dice.choice(family.colours) if family.colours else "",
        "material": dice.choice(family.materials) if family.materials else "",
        "year": str(dice.randint(*family.years)),
    }
    tags = (*dice.sample(family.tags, 2), maker.lower())
    return _stored(dice, _title(dice, facts), _description(dice, family, facts), tags, facts)


def _title(dice: random.Random, facts: dict[str, str]) -> str:
    thing = f"{facts['maker']} {facts['model']}"
    look = " ".join(word for word in (facts["colour"], facts["material"]) if word)
    if facts["part"]:
        return f"{_opening(facts['part'])} for {thing}"
    return dice.choice(
        (
            f"{thing} {look} {facts['kind']}, {facts['year']}",
            f"{_opening(facts['kind'])} {thing} {look}".strip(),
            f"{thing} {facts['kind']} ({facts['year']}) {look}",
            f"Rare {look} {facts['kind']} {thing}",
            f"{facts['year']} {thing} {look} {facts['kind']}, great condition",
        )
    ).replace("  ", " ")


def _opening(words: str) -> str:
    return words[:1].upper() + words[1:]


def _description(dice: random.Random, family: Family, facts: dict[str, str]) -> str:
    said = [f"{detail}." for detail in dice.sample(family.details, 2)]
    if dice.random() < 0.4:
        other = dice.choice(FAMILIES)
        maker = dice.choice(list(other.makers))
        said.append(dice.choice(CROSS_TALK).format(other=f"{maker} {dice.choice(other.makers[maker])}"))
    if not facts["part"] and dice.random() < 0.5:
        said.append(f"{facts['maker']} made this {facts['kind']} about {facts['year']}.")
    return " ".join([*said, dice.choice(CLOSERS)])


def _foreign(dice: random.Random, number: int) -> Lot:
    title, description, category, tags, kind, maker, model = FOREIGN[number]
    facts = {"category": category, "kind": kind, "maker": maker, "model": model, "part": "", "colour": ""}
    return _stored(dice, title, description, tags, facts)


def _stored(dice: random.Random, title: str, description: str, tags: tuple[str, ...], facts: dict[str, str]) -> Lot:
    [status] = dice.choices(("live", "ended", "scheduled"), (8, 3, 1))
    created = NOW_MS - dice.randint(24, 240) * HOUR_MS
    ends = {
        "live": NOW_MS + dice.randint(1, 20 * 24) * HOUR_MS,
        "ended": NOW_MS - dice.randint(1, 23) * HOUR_MS,
        "scheduled": NOW_MS + dice.randint(48, 400) * HOUR_MS,
    }[status]
    return Lot(
        id=UUID(int=dice.getrandbits(128), version=4),
        title=title,
        description=description,
        category=facts["category"],
        tags=tags,
        seller=dice.choice(SELLERS),
        status=status,
        created_ms=created,
        ends_ms=ends,
        price_minor=dice.randint(5, 5_000) * 100,
        bids=0 if status == "scheduled" else dice.randint(0, 40),
        facts=facts,
    )


def like(lots: list[Lot], **facts: str) -> Iterator[Lot]:
    """Lots with these facts; a value may name several by `a|b`."""
    for lot in lots:
        known = {**lot.facts, "seller": lot.seller, "status": lot.status}
        if all(known.get(name, "") in value.split("|") for name, value in facts.items()):
            yield lot
