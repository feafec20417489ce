"""Who may watch a film (issue of the owner: public for live auctions; owner; winner). Pure."""

from collections.abc import Sequence
from datetime import datetime

from edge_api.film_views import Film, Showing
from edge_api.tokens import Caller


def may_watch(film: Film, showings: Sequence[Showing], caller: Caller | None) -> bool:
    """Everybody while an auction of the film's owner that shows it is live; its owner, admins, and who won it always."""
    own = [showing for showing in showings if showing.seller_id == film.owner_id]
    if any(showing.status == "live" for showing in own):
        return True
    if caller is None:
        return False
    return (
        "admin" in caller.roles
        or caller.user_id == film.owner_id
        or any(showing.winner_id == caller.user_id for showing in own)
    )


def begins_at(film: Film, showings: Sequence[Showing], now: datetime) -> datetime:
    """The date of the film's first frame: when the latest auction that shows it started, else when it was offered for upload."""
    started = [showing.starts_at for showing in showings if showing.starts_at is not None and showing.starts_at <= now]
    return started[0] if started else film.requested_at
