"""An auction that is over ends again when the clock says so again."""

from tests.faults.planted import Change, run

AGAIN = (
    Change(
        "consumers.bids.decide",
        "        case Open(), CloseAuction():\n            return close(auction, at)\n",
        "        case (Open() | Ended()), CloseAuction():\n            return close(auction, at)\n",
    ),
    Change(
        "consumers.bids.auction",
        "        case Open(), AuctionEnded():\n",
        "        case (Open() | Ended()), AuctionEnded():\n",
    ),
)

if __name__ == "__main__":
    run(*AGAIN)
