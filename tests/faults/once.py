"""Each command is decided once, in the order of its topic, and whoever asked was told just that."""

from collections import defaultdict
from collections.abc import Iterator

from schemas.pseudonym import pseudonym
from tests.faults.history import (
    Answer,
    History,
    Json,
    Record,
    Row,
    by_id,
    data_of,
    fingerprint_of,
    id_of,
    id_of_conflict,
    read,
)

PEOPLE = ("bidderId", "leaderId", "winnerId")


def wrong(history: History, *, settled: bool) -> Iterator[str]:
    """What is wrong between the commands, the log and the answers."""
    yield from _twice(history)
    yield from _rows_and_commands(history)
    yield from _left_out(history, settled=settled)
    yield from _answers(history)
    if settled:
        yield from (f"{command_id} was never answered" for command_id in history.unanswered)


def _twice(history: History) -> Iterator[str]:
    ids: dict[str, Row] = {}
    places: dict[tuple[int, int], Row] = {}
    for row in history.rows:
        if row.command_id in ids:
            yield f"command {row.command_id} was decided twice, at {ids[row.command_id].place} and at {row.place}"
        if row.place in places:
            yield f"the command at {row.place} was decided twice"
        ids[row.command_id] = places[row.place] = row


def _rows_and_commands(history: History) -> Iterator[str]:
    """Each row is the decision of the command that stands at its place, judged at the broker's time."""
    for row in history.rows:
        record = history.command_at.get(row.place)
        if record is None:
            yield f"the log has a row for {row.place}, where no command is"
            continue
        asked = id_of(record)
        if asked is None:
            yield f"the log has a row for {row.place}, which cannot be read"
            continue
        said = read(record.value)
        expected = (record.key, said["commandType"], record.at_ms, fingerprint_of(record))
        if (row.aggregate, row.command_type, row.at_ms, row.fingerprint) != expected:
            yield f"the row of {row.place} is not of the command there"
        actor = read(record.headers["actor"])["id"]
        if row.actor != actor:
            yield f"the row of {row.place} names {row.actor} as its speaker, not {actor}"
        if row.command_id not in (asked, id_of_conflict(asked, fingerprint_of(record))):
            yield f"the row of {row.place} has the id {row.command_id}, its command {asked}"
        if read(row.reply)["commandId"] != asked:
            yield f"the reply to {asked} names another command"


def _left_out(history: History, *, settled: bool) -> Iterator[str]:
    """A command before the mark has its row, or says again what an earlier row answered."""
    rows = {row.place: row for row in history.rows}
    known = {row.command_id: row for row in history.rows}
    ends: dict[int, int] = defaultdict(int)
    for record in history.commands:
        ends[record.partition] = max(ends[record.partition], record.offset + 1)
        if record.offset >= history.next_offsets.get(record.partition, 0):
            if record.place in rows:
                yield f"the log has a row for {record.place}, after the mark"
            continue
        if record.place in rows or record.place in history.dead:
            continue
        asked = id_of(record)
        if asked is None:
            yield f"{record.place} cannot be read, and is not among the dead letters"
            continue
        row = expected_row(asked, record, known)
        if row is None or row.place > record.place:
            yield f"the command {asked} at {record.place} was passed over: the mark is after it, but it has no row"
    if settled:
        for partition, end in ends.items():
            mark = history.next_offsets.get(partition, 0)
            if mark < end:
                yield f"partition {partition} is decided up to {mark} only, not to {end}"


def expected_row(asked: str, record: Record, known: dict[str, Row]) -> Row | None:
    """The row that answers a command: the first of its id with this body, or the conflict that its body makes."""
    fingerprint = fingerprint_of(record)
    row = known.get(asked)
    if row is not None and row.fingerprint == fingerprint:
        return row
    return known.get(id_of_conflict(asked, fingerprint)) if row is not None else None


def _answers(history: History) -> Iterator[str]:
    commands = by_id(history.commands)
    known = {row.command_id: row for row in history.rows}
    first: dict[tuple[str, str], Answer] = {}
    for answer in history.answers:
        record = next((one for one in commands.get(answer.command_id, ()) if data_of(one) == answer.data), None)
        if record is None:
            yield f"{answer.command_id} was answered, but no such command is on the topic"
            continue
        row = expected_row(answer.command_id, record, known)
        if row is None:
            yield f"{answer.command_id} was answered {answer.code}, but it has no row"
            continue
        yield from _told_as_logged(answer, row, history)
        before = first.setdefault((answer.command_id, str(sorted(answer.data.items()))), answer)
        if (before.outcome, before.code) != (answer.outcome, answer.code):
            yield f"{answer.command_id} was answered {before.code}, and {answer.code} when it was asked again"


def _told_as_logged(answer: Answer, row: Row, history: History) -> Iterator[str]:
    reply = read(row.reply)
    if (answer.outcome, answer.code) != (reply["outcome"], reply["code"]):
        yield (
            f"{answer.command_id} was answered {answer.outcome} {answer.code}, "
            f"the log says {reply['outcome']} {reply['code']}"
        )
        return
    logged = reply["answer"] | {"commandId": reply["commandId"]}
    if answer.from_edge:
        logged = _as_shown(logged, row.aggregate, history)
    for name in sorted(answer.fields.keys() & logged.keys()):
        if answer.fields[name] != logged[name]:
            yield f"{answer.command_id} was told {name} {answer.fields[name]!r}, the log says {logged[name]!r}"


def _as_shown(said: Json, auction_id: str, history: History) -> Json:
    names = {
        name: pseudonym(history.pseudonym_key, auction_id, said[name])
        for name in PEOPLE
        if isinstance(said.get(name), str)
    }
    return {**said, **names}
