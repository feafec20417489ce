"""bids: decides about auctions. Run: python -m consumers.bids"""

import sys

from consumers.bids.app import build
from consumers.runtime.worker import start

if __name__ == "__main__":
    sys.exit(start("bids", build))
