"""What cannot be taken goes to the dead letters with its reason; neighbours go on; a redrive after a fix works."""

import json
from uuid import uuid4

import pytest

from consumers.runtime import dead
from consumers.runtime.incoming import COMMAND_BYTES_MAX
from schemas import envelope
from tests.consumers.runtime.counter import COUNT_CE_TYPE
from tests.consumers.runtime.trial import Stage, counter_of, until

pytestmark = pytest.mark.stack

GOOD = {"commandId": str(uuid4()), "commandType": "Count", "data": {"by": 1}}
HEADERS = [("ce_type", COUNT_CE_TYPE.encode()), ("actor", b'{"id":"anna","roles":[]}')]
KEY = str(counter_of(0)).encode()


def changed(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


@pytest.mark.parametrize(
    ("reason", "value", "key", "headers"),
    [
        ("undecodable", b"\xff\xfe no JSON", KEY, HEADERS),
        ("undecodable", b'{"commandType":"Count","data":{}}', KEY, HEADERS),
        ("undecodable", b"[" * 50_000, KEY, HEADERS),
        ("empty", None, KEY, HEADERS),
        ("keyless", changed(), None, HEADERS),
        ("bad_key", changed(), b"anna", HEADERS),
        ("oversized", b" " * (COMMAND_BYTES_MAX + 1), KEY, HEADERS),
        ("unknown_type", changed(commandType="Explode"), KEY, HEADERS),
        ("unknown_type", changed(), KEY, [("ce_type", b"trial.count.v2"), HEADERS[1]]),
        ("invalid_data", changed(data={"by": "many"}), KEY, HEADERS),
        ("bad_header", changed(), KEY, HEADERS[:1]),
        ("bad_header", changed(), KEY, [*HEADERS, ("reply-partition", b"first")]),
        ("bad_header", changed(commandId="7"), KEY, HEADERS),
    ],
)
async def test_what_cannot_be_read_is_put_aside_and_its_neighbours_go_on(
    stage: Stage, reason: str, value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    counter = counter_of(0)
    before = await stage.count(counter=counter, partition=0)
    await stage.put(value, key=key, headers=headers, partition=0)
    after = await stage.count(counter=counter, partition=0)

    await stage.running()

    await stage.decided(before, after)
    [letter] = await stage.dead()
    assert (letter.key, letter.value) == (key, value or b"")
    found = dict(letter.headers)
    assert found["dead-reason"].decode() == reason
    assert (found["dead-source-topic"].decode(), found["dead-source-partition"], found["dead-source-offset"]) == (
        stage.trial.commands,
        b"0",
        b"1",
    )
    assert envelope.parse_time(found["dead-at"].decode()) <= envelope.time_ms()


@pytest.mark.parametrize("mode", ["explode", "unpreparable"])
async def test_a_key_that_breaks_the_desk_is_parked_while_its_neighbours_go_on(stage: Stage, mode: str) -> None:
    poisoned, sound = counter_of(0), counter_of(0)
    good = [await stage.count(counter=poisoned, partition=0)]
    await stage.count(counter=poisoned, partition=0, mode=mode)
    good += [await stage.count(counter=sound, partition=0) for _ in range(5)]
    await stage.count(counter=poisoned, partition=0)

    worker = await stage.running()
    later = await stage.count(counter=sound, partition=0)

    await stage.decided(*good, later)
    letters = await stage.dead(at_least=2)
    bug, parked_too = [envelope.header(letter.headers, "dead-reason") for letter in letters]
    assert bug is not None
    assert bug.startswith("bug: ZeroDivisionError at counter.py:")
    assert parked_too == "parked"
    [parked] = await stage.parked()
    assert parked["key"] == str(poisoned).encode()
    metrics = await worker.get("/metrics")
    assert metrics is not None
    assert "worker_parked_keys{" in metrics.text
    await stage.check_history()


async def test_a_parked_key_stays_parked_in_the_next_process(stage: Stage) -> None:
    poisoned = counter_of(0)
    await stage.count(counter=poisoned, partition=0, mode="explode")
    first = await stage.running()
    await until(stage.parked)
    first.process.kill()
    await first.ended()

    await stage.running()
    await stage.count(counter=poisoned, partition=0)

    assert envelope.header((await stage.dead(at_least=2))[1].headers, "dead-reason") == "parked"


async def test_a_bug_that_passes_parks_nothing(stage: Stage) -> None:
    counter = counter_of(0)
    await stage.running()

    ids = [await stage.count(counter=counter, partition=0, mode="once") for _ in range(3)]

    await stage.decided(*ids)
    assert await stage.read(stage.dead_topic) == []
    await stage.check_history()


async def test_redriven_letters_are_decided_once_under_their_own_ids_when_the_bug_is_gone(stage: Stage) -> None:
    poisoned = counter_of(0)
    ids = [
        await stage.count(counter=poisoned, partition=0, mode="explode"),
        await stage.count(counter=poisoned, partition=0),
    ]
    await stage.running()
    await stage.dead(at_least=2)
    listed = await dead.list_letters(stage.settings.kafka_bootstrap, stage.dead_topic)
    assert [letter.id for letter in listed] == [str(one) for one in ids]

    (stage.folder / "fixed").touch()
    redriven = await dead.redrive(stage.settings.kafka_bootstrap, stage.dead_topic)

    assert len(redriven) == 2
    await stage.decided(*ids)
    assert await stage.parked() == []
    listed = await dead.list_letters(stage.settings.kafka_bootstrap, stage.dead_topic)
    assert [letter.redriven for letter in listed] == [True, True]
    assert await dead.redrive(stage.settings.kafka_bootstrap, stage.dead_topic) == []
    await stage.check_history()


async def test_a_letter_redriven_before_the_fix_comes_back_to_the_dead_letters(stage: Stage) -> None:
    poisoned = counter_of(0)
    await stage.count(counter=poisoned, partition=0, mode="explode")
    await stage.running()
    [letter] = await stage.dead()

    await dead.redrive(stage.settings.kafka_bootstrap, stage.dead_topic, [letter.offset])

    await stage.dead(at_least=2)
    shown = await dead.show(stage.settings.kafka_bootstrap, stage.dead_topic, letter.offset)
    assert shown is not None
    assert shown.redriven
    assert len(await until(stage.parked)) == 1


async def test_a_worker_that_can_take_nothing_stops_and_says_so(stage: Stage) -> None:
    for number in range(150):
        await stage.put(b"no JSON %d" % number, key=KEY, headers=HEADERS, partition=0)
    worker = await stage.start()

    async def says_so() -> str | None:
        answer = await worker.get("/health")
        return answer.text if answer is not None and answer.status_code == 503 else None

    assert "in a row could not be taken (undecodable)" in await until(says_so)
    assert len(await stage.read(stage.dead_topic)) <= 100
    assert worker.process.returncode is None
