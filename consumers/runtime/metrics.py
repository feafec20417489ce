"""What a worker counts, for Prometheus; written once per batch, never per message."""

from prometheus_client import Counter, Gauge, Histogram

_TIMES_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_INBOX = ("topic", "group")

LAG = Gauge("worker_lag_messages", "Messages of a partition not decided yet.", (*_INBOX, "partition"))
UNTOLD = Gauge("worker_untold_messages", "Committed but not yet on the events topic.", (*_INBOX, "partition"))
BATCH = Histogram(
    "worker_batch_messages",
    "Messages of one transaction.",
    _INBOX,
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
DECIDE = Histogram("worker_decide_seconds", "Time to decide one batch.", _INBOX, buckets=_TIMES_S)
COMMIT = Histogram("worker_commit_seconds", "Time to commit one batch.", _INBOX, buckets=_TIMES_S)
PUBLISH = Histogram(
    "worker_publish_seconds", "Time until the broker has a batch's events and replies.", _INBOX, buckets=_TIMES_S
)
DECIDED = Counter("worker_decided_total", "Commands decided, by outcome.", (*_INBOX, "type", "outcome"))
REFUSED = Counter("worker_refused_total", "Commands refused, by reason.", (*_INBOX, "type", "code"))
REPEATED = Counter("worker_repeated_total", "Commands that came again and got the stored reply.", _INBOX)
READ = Counter("worker_read_total", "Messages taken from the topic.", _INBOX)
DEAD = Counter("worker_dead_letters_total", "Messages put to the dead letters, by reason.", (*_INBOX, "reason"))
PARKED = Gauge("worker_parked_keys", "Keys set aside after a bug.", (*_INBOX, "partition"))
TAKEOVERS = Counter("worker_takeovers_total", "Partitions taken over, by cause.", (*_INBOX, "cause"))
JOBS = Counter("worker_jobs_total", "Jobs by end: done, again, given_up.", ("kind", "end"))
