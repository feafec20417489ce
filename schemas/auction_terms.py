"""What everybody knows of auctions without their models: bounds, and which events are not public."""

DURATION_S_MIN = 60
DURATION_S_MAX = 30 * 86_400

PRIVATE_EVENTS = frozenset({"BidRefused", "MaximumRaised", "BidderBlocked"})
"""Events of the log that no public feed shows (rule E11)."""
