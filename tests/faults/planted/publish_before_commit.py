"""Events are told before they are stored."""

from tests.faults.planted import Change, run

EVENTS_FIRST = Change(
    "consumers.runtime.ledger",
    "        batches = self._tools.publisher.batches(told)\n",
    "        batches = self._tools.publisher.batches(told)\n"
    "        await __import__('asyncio').gather(*await self._tools.publisher.send(self.number, batches))\n"
    "        batches = []\n"
    "        faultpoints.hit('committed')\n",
)

if __name__ == "__main__":
    run(EVENTS_FIRST)
