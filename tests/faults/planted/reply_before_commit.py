"""Askers are answered before their commands are stored."""

from tests.faults.planted import Change, run

REPLIES_FIRST = Change(
    "consumers.runtime.ledger",
    "        records = self._tools.publisher.records(told)\n",
    "        records = self._tools.publisher.records(told)\n"
    "        await __import__('asyncio').gather(*self._tools.replies.add(answers_of(rows)))\n"
    "        faultpoints.hit('committed')\n",
)

if __name__ == "__main__":
    run(REPLIES_FIRST)
