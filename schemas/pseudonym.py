"""The name under which a bidder appears in public: stable within one auction, not linkable across auctions (rule B13)."""

import hashlib
import hmac
from functools import lru_cache
from uuid import UUID

_MARKS = 0xF << 76 | 0b11 << 62
_VERSION_8 = 0x8 << 76 | 0b10 << 62
"""Version and variant of a UUID whose bits are its maker's own (RFC 9562, section 5.8)."""


@lru_cache(maxsize=65_536)
def pseudonym(key: bytes, auction_id: str, bidder_id: str) -> str:
    """A UUID in text for a bidder of an auction; without the key nobody can find the bidder or join two auctions."""
    digest = int.from_bytes(hmac.new(key, f"{auction_id}:{bidder_id}".encode(), hashlib.sha256).digest()[:16])
    return str(UUID(int=digest & ~_MARKS | _VERSION_8))
