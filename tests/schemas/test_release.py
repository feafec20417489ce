"""What was once said stays readable: released schemas and samples against the models of today."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.compatibility import breaks, schema_of
from schemas.registry import BY_CE_TYPE, MESSAGES, Message
from schemas.release import SAMPLES, released_path

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.ce_type)
def test_a_released_message_is_not_broken(message: Message) -> None:
    released = json.loads(released_path(message).read_text())

    assert breaks(released, schema_of(message)) == []


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.ce_type)
def test_the_released_schema_is_the_one_of_today(message: Message) -> None:
    assert json.loads(released_path(message).read_text()) == schema_of(message), "run python -m schemas.release"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_ever_released_still_decodes(path: Path) -> None:
    message = BY_CE_TYPE[path.stem.rpartition(".")[0]]
    sample = json.loads(path.read_text())

    message.model.model_validate(sample["data"])

    jsonschema.validate(sample["data"], schema_of(message))
    assert sample["commandType" if message.is_command else "eventType"] == message.name


def test_every_message_has_a_sample() -> None:
    assert {path.stem.rpartition(".")[0] for path in SAMPLES.glob("*.json")} == set(BY_CE_TYPE)


def changed(path: list[str], value: object) -> dict[str, Any]:
    schema = deepcopy(schema_of(BY_CE_TYPE["auction.bid-placed.v1"]))
    place = schema
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return schema


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (["properties", "bidderId"], None, "bidderId was removed"),
        (["properties", "automatic", "type"], "string", "automatic no longer takes boolean"),
        (["properties", "bidCount", "minimum"], 1, "bidCount: minimum was tightened"),
        (["required"], ["auctionId", "automatic"], "automatic is required now"),
        (["properties", "amount", "maximum"], 5, "amount: maximum was tightened"),
    ],
)
def test_a_breaking_change_is_named(path: list[str], value: object, reason: str) -> None:
    released = schema_of(BY_CE_TYPE["auction.bid-placed.v1"])

    assert any(found.startswith(reason) for found in breaks(released, changed(path, value)))


def test_a_new_optional_field_breaks_nothing() -> None:
    released = schema_of(BY_CE_TYPE["auction.bid-placed.v1"])

    assert breaks(released, changed(["properties", "streamTime"], {"type": "number"})) == []
