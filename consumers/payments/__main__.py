"""`python -m consumers.payments`: one process of the worker."""

import sys

from consumers.payments.app import build
from consumers.runtime.worker import start

if __name__ == "__main__":
    sys.exit(start("payments", build))
