"""The one way a worker subscribes: FastStream's batch subscriber with every safe option set, and its own get, stop and parse."""

import logging
import time
from typing import Any, cast

from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from compose.settings import Settings
from consumers.runtime.assignment import STOPPED_WITHIN_S, Assignment, Fetched

LOGGER = "subscriber"
"""Not FastStream's own, which brings a handler that does not speak JSON."""


class PromptBatch(BatchSubscriber):
    """A batch subscriber that hands a fetch on at once, by partition, and lets go of its partitions when it stops."""

    __slots__ = ()

    _listener: Assignment

    async def get_msg(self, consumer: AIOKafkaConsumer) -> Any:
        """The next fetch; the original sleeps its timeout a second time whenever there was nothing."""
        fetched = await consumer.getmany(timeout_ms=self.batch_timeout_ms, max_records=self.max_records)
        self._listener.polled_at = time.monotonic()
        return tuple(fetched.items())

    def get_log_context(self, _message: Any) -> dict[str, str]:
        """FastStream's own log lines name the topic and the group."""
        return self.build_log_context(message=None, topic=",".join(self.topic_names), group_id=self.group_id)

    async def stop(self) -> None:
        """Stop polling, let the batches in hand end, then leave; `consumer.stop()` alone calls no listener."""
        self.running = False
        await self._listener.release(timeout_s=STOPPED_WITHIN_S)
        if self._listener.leaves and self.consumer is not None:
            # aiokafka never lets a static member leave; without its name the broker takes the leave of its id.
            self.consumer._coordinator._group_instance_id = None
        await super().stop()


def broker_of(settings: Settings, name: str) -> KafkaBroker:
    """FastStream's broker for the inboxes of one process; it produces nothing (it has no way to send a batch)."""
    return KafkaBroker(
        settings.kafka_bootstrap,
        client_id=f"{name}-{settings.worker_slot}",
        allow_auto_create_topics=False,
        consumer_only=True,
        apply_types=False,
        graceful_timeout=STOPPED_WITHIN_S,
        request_timeout_ms=6_000,
        logger=logging.getLogger(LOGGER),
        log_level=logging.DEBUG,  # It has two lines to say per batch.
    )


def subscribe(broker: KafkaBroker, assignment: Assignment, settings: Settings) -> PromptBatch:
    """Subscribe an inbox; each default that is changed here loses or delays data (ARCHITECTURE section 5)."""
    inbox = assignment.inbox
    subscriber = broker.subscriber(
        inbox.topic,
        group_id=inbox.group,
        group_instance_id=f"{inbox.group}-{settings.worker_slot}",
        batch=True,
        max_records=2 * inbox.batch,
        batch_timeout_ms=1_000,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        listener=assignment,
        session_timeout_ms=inbox.session_ms,
        heartbeat_interval_ms=1_500,
        rebalance_timeout_ms=15_000,
        max_poll_interval_ms=60_000,
    )
    # The same slots, so the class may be changed; FastStream has no parameter for it.
    subscriber.__class__ = PromptBatch
    subscriber(assignment.take, parser=_bypass, decoder=_body)
    assignment.subscriber = subscriber
    return cast(PromptBatch, subscriber)


async def _bypass(fetched: Fetched) -> KafkaAckableMessage:
    return KafkaAckableMessage(body=fetched, raw_message=fetched, consumer=None, correlation_id="-", message_id="-")


async def _body(message: KafkaAckableMessage) -> Fetched:
    return cast(Fetched, message.body)
