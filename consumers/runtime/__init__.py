"""All that workers share: one batch = one transaction, jobs with leases, parking of poison."""

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
from consumers.runtime.worker import Worker, run_worker, start
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
    "Worker",
    "Write",
    "by_aggregate",
    "emits",
    "enqueue",
    "event",
    "run_worker",
    "start",
    "takes",
]
