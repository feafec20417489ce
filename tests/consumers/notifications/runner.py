"""A process of the worker that only does jobs: it joins no consumer group, so it disturbs no other.

Its argument is how long its leases are, in seconds.
"""

import sys
from dataclasses import replace

from compose.settings import Settings
from consumers.notifications import app
from consumers.runtime.worker import Worker, start


def build(settings: Settings) -> Worker:
    """The worker without its inboxes."""
    worker = app.build(settings)
    runners = [replace(runner, lease_s=float(sys.argv[1])) for runner in worker.runners]
    return replace(worker, inboxes=(), runners=runners)


if __name__ == "__main__":
    sys.exit(start("notifications", build))
