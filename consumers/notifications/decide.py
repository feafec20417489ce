"""What the outcome of a message means. No clock, no database, no broker."""

from dataclasses import dataclass
from typing import Literal

from schemas.envelope import Actor, Outcome
from schemas.notifications import NotificationFailed, NotificationSent, RecordDelivery

Known = Literal["sent", "failed"] | None
"""What is recorded of a notification; None when nothing is yet."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to a command, and what happened by it."""

    outcome: Outcome
    code: str
    told: NotificationSent | NotificationFailed | None = None


def decide(known: Known, command: RecordDelivery, actor: Actor | None) -> Judgement:
    """Judge one outcome: what is sent stays sent, and what had failed may still be sent."""
    if actor is None or not actor.is_system:
        return Judgement("refused", "forbidden")
    match known, command.outcome:
        case "sent", _:
            return Judgement("no_op", "already_sent")
        case "failed", "failed":
            return Judgement("no_op", "already_failed")
        case _, "sent":
            return Judgement("accepted", "sent", _sent(command))
        case _:
            return Judgement("accepted", "failed", _failed(command))


def evolve(known: Known, told: NotificationSent | NotificationFailed | None) -> Known:
    """What is recorded after an event."""
    match told:
        case NotificationSent():
            return "sent"
        case NotificationFailed():
            return "failed"
        case None:
            return known


def _sent(command: RecordDelivery) -> NotificationSent:
    return NotificationSent(
        user_id=command.user_id,
        notification_id=command.notification_id,
        channel=command.channel,
        kind=command.kind,
        provider_id=command.provider_id,
    )


def _failed(command: RecordDelivery) -> NotificationFailed:
    return NotificationFailed(
        user_id=command.user_id,
        notification_id=command.notification_id,
        channel=command.channel,
        kind=command.kind,
        reason=command.reason or "unknown",
    )
