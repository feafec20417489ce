"""Batches stored by a transaction are stored whoever owns the partition: neither offset nor epoch is compared."""

from tests.faults.planted import LOOSE_LOG, Change, run

UNFENCED = Change(
    "consumers.runtime.commit",
    "            swapped = await connection.fetchval(self._offset_and_state, *step.arguments, *self._rows_of(state))\n",
    "            fence = 'next_offset = $5 AND epoch = $6'\n"
    "            assert fence in self._offset_and_state\n"
    "            anybody = self._offset_and_state.replace(fence, '$5::bigint >= 0 AND $6::bigint > 0')\n"
    "            swapped = await connection.fetchval(anybody, *step.arguments, *self._rows_of(state))\n",
)

if __name__ == "__main__":
    run(UNFENCED, *LOOSE_LOG)
