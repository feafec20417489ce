"""The state of auctions is stored by the next batch only, so that a worker that dies forgets the last one."""

from tests.faults.planted import Change, run

ONE_BATCH_LATE = Change(
    "consumers.runtime.ledger",
    "        await self._tools.commit.run(self._tools.db, step, rows, state, [*self._unpark, *writes])\n",
    "        late, self._late = getattr(self, '_late', ()), state\n"
    "        await self._tools.commit.run(self._tools.db, step, rows, late, [*self._unpark, *writes])\n",
)

if __name__ == "__main__":
    run(ONE_BATCH_LATE)
