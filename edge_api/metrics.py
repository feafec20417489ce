"""What the edge counts, under the names of the specification (Monitoring & Observability Integration)."""

from functools import lru_cache, partial

from prometheus_client import Counter, Gauge, Histogram

from producers.activity import Activity
from producers.commands import Commands
from topics.catalog import AUCTION_COMMANDS, PAYMENT_COMMANDS, USER_COMMANDS

REQUESTS = Counter("http_requests_total", "Requests by method, route and status.", ("method", "route", "status"))
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from the request's arrival to the end of its answer.",
    ("method", "route"),
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_FLIGHT = Gauge("commands_in_flight", "Commands whose reply somebody waits for.")
PENDING = Counter("commands_pending_total", "Commands answered with 202, by reason.", ("reason",))
BACKLOG = Gauge("commands_backlog", "Commands of a topic that its worker has not taken yet.", ("topic",))

ACTIVITY_WAITING = Gauge("activity_events_waiting", "Events about searches and clicks that Kafka has not taken yet.")
ACTIVITY_DROPPED = Gauge("activity_events_dropped", "Such events that were dropped since the process began.")

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"})


def watch(commands: Commands, activity: Activity) -> None:
    """Let the gauges read what the process's doors to Kafka know."""
    ACTIVITY_WAITING.set_function(lambda: activity.waiting)
    ACTIVITY_DROPPED.set_function(lambda: activity.dropped)
    IN_FLIGHT.set_function(lambda: commands.in_flight)
    for topic in (AUCTION_COMMANDS.name, USER_COMMANDS.name, PAYMENT_COMMANDS.name):
        BACKLOG.labels(topic).set_function(partial(commands.backlog.lag, topic))


def request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request; a method that nobody defined is `other`, so that clients cannot make up label values."""
    counter, histogram = _children(method if method in METHODS else "other", route, status)
    counter.inc()
    histogram.observe(seconds)


@lru_cache(maxsize=2_048)
def _children(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), DURATION.labels(method, route)
