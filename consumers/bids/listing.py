"""What a seller says about the thing: carried beside the rules, which never read it."""

from typing import Any

import msgspec


class Listing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`shipping_info` is the text of a JSON object, so that its amounts stay exact; `duration` in s, `created_at` in ms."""

    title: str
    description: str = ""
    category: str | None = None
    tags: tuple[str, ...] = ()
    video_id: str | None = None
    shipping_info: str = "{}"
    increments: str = "FLAT-1"
    duration: int = 0
    created_at: int = 0


def listing_of(kept: Any) -> Listing:
    """The listing that an event or a draft carries, as it was given or as msgpack brings it back."""
    return kept if isinstance(kept, Listing) else msgspec.convert(kept, Listing)
