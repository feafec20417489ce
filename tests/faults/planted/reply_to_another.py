"""The replies of a batch go to each other's askers."""

from tests.faults.planted import Change, run

MIXED_UP = Change(
    "producers.publish",
    "            reply=row.reply,\n            correlation_id=row.correlation_id,\n"
    "            traceparent=row.traceparent,\n        )\n        for row in rows\n",
    "            reply=other.reply,\n            correlation_id=row.correlation_id,\n"
    "            traceparent=row.traceparent,\n        )\n        for row, other in zip(rows, reversed(rows), strict=True)\n",
)

if __name__ == "__main__":
    run(MIXED_UP)
