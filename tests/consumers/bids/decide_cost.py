"""What judging one bid costs: `python -m tests.consumers.bids.decide_cost` prints CPU microseconds per bid."""

from collections.abc import Callable
from time import process_time

from consumers.bids.auction import Auction, restore, snapshot
from consumers.bids.commands import PlaceBid
from consumers.bids.decide import judge
from tests.consumers.bids.builders import NOON, bid, given, opening, proxy

BIDS = 50_000
ROUNDS = 5
BIDDERS = [f"00000000-0000-4000-8000-{number:012}" for number in range(50)]
HIDDEN = 9_000_000_000

CASES: dict[str, Callable[[int], PlaceBid]] = {
    "plain bid that takes the lead": lambda i: bid(BIDDERS[i % 50], 10_00 + 2 * i),
    "proxy bid that a hidden maximum answers": lambda i: proxy(
        BIDDERS[i % 49 + 1 if i else 0], 10_00 + 3 * i if i else HIDDEN
    ),
    "bid below the minimum": lambda i: bid(BIDDERS[i % 49 + 1 if i else 0], 10_00 if i else HIDDEN),
}


def cost_us(command: Callable[[int], PlaceBid]) -> float:
    """CPU microseconds of decide and evolve per bid on one hot auction."""
    auction: Auction = given(opening(increments="FLAT-1")).auction
    commands = [command(number) for number in range(BIDS)]
    began = process_time()
    for number, asked in enumerate(commands):
        _, auction = judge(auction, asked, NOON + number)
    return (process_time() - began) / BIDS * 1e6


def snapshot_us() -> tuple[float, float]:
    """CPU microseconds to keep an auction and to restore it."""
    auction = given(opening(), bid(BIDDERS[0], 20_00)).auction
    began = process_time()
    for _ in range(BIDS):
        kept = snapshot(auction)
    between = process_time()
    for _ in range(BIDS):
        restore(kept)
    return (between - began) / BIDS * 1e6, (process_time() - between) / BIDS * 1e6


if __name__ == "__main__":
    for name, command in CASES.items():
        print(f"{min(cost_us(command) for _ in range(ROUNDS)):6.2f} us  {name}")
    print("{:6.2f} us  snapshot\n{:6.2f} us  restore".format(*snapshot_us()))
