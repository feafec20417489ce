"""What errands at the provider are done with, and what several of them need."""

import uuid
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from consumers.payments import store
from consumers.payments.gateway import Stripe
from consumers.payments.order import Order
from consumers.runtime import Database, GiveUp, OutCommand, Write
from schemas import payments as said
from schemas.envelope import time_ms
from schemas.registry import BY_NAME
from schemas.sealed import TopicSeal


@dataclass(frozen=True, slots=True)
class Tools:
    """The worker's database, the provider, what seals secrets, and the address that onboarding comes back to."""

    db: Database
    gateway: Stripe
    seal: TopicSeal
    public_url: str


def command(origin: UUID, aggregate: UUID, body: BaseModel) -> OutCommand:
    """A command to ourselves; its id follows from the job and from what it says, so that a later look is not taken for a repeat."""
    message = BY_NAME[type(body).__name__]
    data = body.model_dump_json(by_alias=True, exclude_none=True).encode()
    return OutCommand(
        topic=message.topic,
        aggregate=aggregate,
        id=uuid.uuid5(origin, f"{message.name} {data.decode()}"),
        type=message.name,
        ce_type=message.ce_type,
        schema=message.schema,
        data=data,
    )


async def order_of(tools: Tools, order_id: UUID) -> Order:
    """One order; raises GiveUp when there is none."""
    order = await store.load_order(tools.db, order_id)
    if order is None:
        raise GiveUp("there is no such order")
    return order


async def customer_of(tools: Tools, user_id: UUID) -> tuple[str, list[OutCommand]]:
    """The provider's customer of a buyer, made at his first payment; two jobs at a time make the same one."""
    person = await store.load_person(tools.db, user_id)
    if person.customer_id is not None:
        return person.customer_id, []
    key = uuid.uuid5(user_id, "customer")
    customer = await tools.gateway.create_customer(user_id=user_id, key=key)
    return customer, [command(key, user_id, said.RecordPayer(customer_id=customer))]


def secret_of(tools: Tools, id_: UUID, kind: str, text: str, *, expires_at: int | None = None) -> Write:
    """The write that leaves something secret for whoever waits, sealed."""
    sealed = tools.seal.seal(text, message_id=str(id_), field=kind, at_s=time_ms() // 1000)
    return store.leave_secret(id_, kind, sealed, expires_at=expires_at)
