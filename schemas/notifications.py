"""What is said about messages to people: outcomes as commands to `notifications`, and the events it tells."""

from typing import Literal
from uuid import UUID

from schemas.envelope import Wire

Channel = Literal["email"]


class RecordDelivery(Wire):
    """A runner tells what the provider answered to one message."""

    user_id: UUID
    notification_id: UUID
    channel: Channel
    kind: str
    outcome: Literal["sent", "failed"]
    provider_id: str | None = None
    reason: str | None = None


class NotificationSent(Wire):
    """The provider took a message."""

    user_id: UUID
    notification_id: UUID
    channel: Channel
    kind: str
    provider_id: str | None = None


class NotificationFailed(Wire):
    """A message was given up; `reason` in words for an operator."""

    user_id: UUID
    notification_id: UUID
    channel: Channel
    kind: str
    reason: str
