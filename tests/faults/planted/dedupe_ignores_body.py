"""An Idempotency-Key used for another request gets the first one's answer."""

from tests.faults.planted import Change, run

BY_ID_ALONE = (
    Change(
        "consumers.runtime.outcomes",
        "            elif twin.fingerprint == incoming.fingerprint:\n",
        "            elif True:\n",
    ),
    Change(
        "consumers.runtime.outcomes",
        "        elif known.fingerprint == incoming.fingerprint:\n",
        "        elif True:\n",
    ),
)

if __name__ == "__main__":
    run(*BY_ID_ALONE)
