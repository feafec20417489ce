"""All that workers share: one batch = one transaction, jobs with leases, parking of poison.

`worker` is imported by its own name: who needs only a part of this, as the edge does, goes without FastStream.
"""

from consumers.runtime.inbox import Inbox, ReadAs, Taken, emits, takes
from consumers.runtime.jobs import Claimed, Done, GiveUp, JobRunner, TryAgain, enqueue
from consumers.runtime.messages import (
    Database,
    Decision,
    Desk,
    Incoming,
    Job,
    OutCommand,
    Remembered,
    StateTable,
    Verdict,
    Write,
    by_aggregate,
)
from consumers.runtime.sequence import SequenceGuard
from producers.publish import LogRow, OutEvent, event
from schemas.envelope import Actor

__all__ = [
    "Actor",
    "Claimed",
    "Database",
    "Decision",
    "Desk",
    "Done",
    "GiveUp",
    "Inbox",
    "Incoming",
    "Job",
    "JobRunner",
    "LogRow",
    "OutCommand",
    "OutEvent",
    "ReadAs",
    "Remembered",
    "SequenceGuard",
    "StateTable",
    "Taken",
    "TryAgain",
    "Verdict",
    "Write",
    "by_aggregate",
    "emits",
    "enqueue",
    "event",
    "takes",
]
