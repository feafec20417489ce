"""Batches of one statement are stored whoever owns the partition: neither offset nor epoch is compared.

Either of them alone still fences, and so do the unique indexes; a plant that took away only one would prove nothing.
"""

from tests.faults.planted import LOOSE_LOG, Change, run

UNFENCED = Change(
    "consumers.runtime.commit",
    "                swapped = await connection.fetchval(self._all, *step.arguments, rows, *self._rows_of(state))\n",
    "                anybody = self._all.replace('next_offset = $5 AND epoch = $6', '$5::bigint >= 0 AND $6::bigint > 0')\n"
    "                assert anybody != self._all\n"
    "                swapped = await connection.fetchval(anybody, *step.arguments, rows, *self._rows_of(state))\n",
)

if __name__ == "__main__":
    run(UNFENCED, *LOOSE_LOG)
