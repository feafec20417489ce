"""Events are told before they are stored."""

from tests.faults.planted import Change, run

EVENTS_FIRST = Change(
    "consumers.runtime.ledger",
    "        records = self._tools.publisher.records(told)\n",
    "        records = self._tools.publisher.records(told)\n"
    "        if records:\n"
    "            await self._tools.publisher.send(self.number, records)\n"
    "        records = []\n"
    "        faultpoints.hit('committed')\n",
)

if __name__ == "__main__":
    run(EVENTS_FIRST)
