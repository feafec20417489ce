"""`python -m consumers.notifications`: one process of the worker."""

import sys

from consumers.notifications.app import build
from consumers.runtime.worker import start

if __name__ == "__main__":
    sys.exit(start("notifications", build))
