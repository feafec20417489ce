"""The name under which a bidder appears in public: stable within one auction, not linkable across auctions (rule B13)."""

import hashlib
import hmac
from functools import lru_cache
from uuid import UUID


@lru_cache(maxsize=65_536)
def pseudonym(key: bytes, auction_id: str, bidder_id: str) -> str:
    """A UUID in text for a bidder of an auction; without the key nobody can find the bidder or join two auctions."""
    digest = hmac.new(key, f"{auction_id}:{bidder_id}".encode(), hashlib.sha256).digest()
    return str(UUID(bytes=digest[:16], version=8))
