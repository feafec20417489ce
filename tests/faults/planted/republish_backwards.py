"""A takeover tells again what was not told, but not in its order."""

from tests.faults.planted import Change, run

BACKWARDS = Change(
    "consumers.runtime.takeover",
    "publisher.records([(row, events_of(row)) for row in rows])",
    "publisher.records([(row, events_of(row)) for row in reversed(rows)])",
)

if __name__ == "__main__":
    run(BACKWARDS)
