"""The catalog is what the brokers, the map and the AsyncAPI document say."""

from pathlib import Path

import pytest

from compose.settings import Settings
from schemas.registry import MESSAGES
from topics.asyncapi import document
from topics.catalog import BY_NAME, CATALOG, Topic
from topics.create import wanted

pytestmark = pytest.mark.quick

README = (Path(__file__).parents[2] / "topics" / "README.md").read_text()


def test_every_message_travels_on_a_topic_of_the_catalog() -> None:
    assert {message.topic for message in MESSAGES} <= set(BY_NAME)


@pytest.mark.parametrize("topic", CATALOG, ids=lambda topic: topic.name)
def test_the_map_has_a_row_for_every_topic_and_names_its_readers(topic: Topic) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{topic.name}`"))

    assert all(f"`{group}`" in row for group in topic.readers)


def test_commands_and_events_of_one_owner_have_the_same_number_of_partitions() -> None:
    partitions = {topic.name: topic.num_partitions for topic in wanted(Settings(partitions=7))}

    assert partitions["auction-commands"] == partitions["auction-events"] == 7
    assert partitions["user-commands"] == partitions["user-events"] == 7


def test_the_brokers_clock_judges_bids() -> None:
    configs = {topic.name: topic.topic_configs for topic in wanted(Settings())}

    assert configs["auction-commands"]["message.timestamp.type"] == "LogAppendTime"


def test_every_group_has_its_dead_letters() -> None:
    names = {topic.name for topic in wanted(Settings())}

    assert {f"{topic.name}.{group}.dead" for topic in CATALOG for group in topic.readers} <= names


def test_the_asyncapi_document_names_every_topic_message_and_group_and_has_no_dangling_reference() -> None:
    found = document("1")

    assert set(found["channels"]) == set(BY_NAME)
    assert set(found["components"]["messages"]) == {message.name for message in MESSAGES}
    for reference in references(found):
        place = found
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    groups = {group for topic in CATALOG for group in topic.readers}
    assert groups == {name.split("-receives-")[0] for name in found["operations"] if "-receives-" in name}


def references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in references(value)]
    if isinstance(part, list):
        return [found for value in part for found in references(value)]
    return []
