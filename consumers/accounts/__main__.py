"""Run the accounts worker: python -m consumers.accounts."""

import sys

from consumers.accounts.app import build
from consumers.runtime.worker import start

if __name__ == "__main__":
    sys.exit(start("accounts", build))
