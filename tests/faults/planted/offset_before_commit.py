"""The offset is moved in a transaction of its own, before what was decided is stored."""

from tests.faults.planted import Change, run

OFFSET_FIRST = Change(
    "consumers.runtime.ledger",
    "        await self._tools.commit.run(self._tools.db, step, rows, state, [*self._unpark, *writes])\n",
    "        await self._tools.commit.run(self._tools.db, step)\n"
    "        faultpoints.hit('committed')\n"
    "        step = step._replace(expected=upto)\n"
    "        await self._tools.commit.run(self._tools.db, step, rows, state, [*self._unpark, *writes])\n",
)

if __name__ == "__main__":
    run(OFFSET_FIRST)
