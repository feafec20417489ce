"""What people may do, by their roles (specification, rbac)."""

from typing import Literal

Role = Literal["buyer", "seller", "admin"]

PERMISSIONS: dict[str, frozenset[str]] = {
    "buyer": frozenset({"view_auctions", "place_bids", "view_profile"}),
    "seller": frozenset({"view_auctions", "create_auctions", "place_bids", "view_profile"}),
    "admin": frozenset({"*"}),
}
"""What each role may do."""


def permitted(roles: tuple[str, ...], permission: str) -> bool:
    """Whether one of the roles grants a permission."""
    return any(
        permission in granted or "*" in granted for role in roles for granted in [PERMISSIONS.get(role, frozenset())]
    )
