"""What the live process counts, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

SOCKETS = Gauge("live_sockets", "Sockets connected now.")
SUBSCRIPTIONS = Gauge("live_subscriptions", "Auctions watched, summed over sockets.")
ROOMS = Gauge("live_rooms", "Auctions held in memory.")
FRAMES = Counter("live_frames_sent_total", "Frames of events written to sockets.")
CONFLATIONS = Counter("live_conflations_total", "Times a slow reader was given a snapshot instead of events.")
CLOSES = Counter("live_closes_total", "Sockets closed by us, by code.", ("code",))
GAPS = Counter("live_gaps_total", "Times events were missing in the tail and had to be read from the log.")
UNREADABLE = Counter("live_unreadable_total", "Messages of the tail that are no events.")
REFUSALS = Counter("live_refusals_total", "Error frames sent, by code.", ("code",))
LAG = Gauge("live_tail_lag_messages", "Messages of a partition not told yet.", ("topic", "partition"))
DELAY = Histogram(
    "live_delay_seconds",
    "From the time the broker stamped on a command until its event was written to the watchers.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
