"""What was stored but not told when a worker died is never told."""

from tests.faults.planted import Change, run

NOT_AGAIN = Change(
    "consumers.runtime.takeover",
    "    if tools.inbox.commands:\n        await _tell_again(tools, partition, marks)\n",
    "",
)

if __name__ == "__main__":
    run(NOT_AGAIN)
