"""A batch that fails is passed over, as a consumer does that acknowledges on errors too."""

from tests.faults.planted import Change, run

PASSED_OVER = Change(
    "consumers.runtime.partition",
    "                await self.ledger.settle(batch)\n",
    "                try:\n"
    "                    await self.ledger.settle(batch)\n"
    "                except ConnectionError:\n"
    "                    self.ledger.next_offset = batch[-1].offset + 1\n",
)

if __name__ == "__main__":
    run(PASSED_OVER)
