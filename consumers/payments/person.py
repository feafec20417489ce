"""What a person is to payments: a seller with an account at the provider, a buyer with saved payment methods, or both."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from consumers.payments.facts import Asked, Decided, accepted, nothing, refused
from consumers.payments.order import Told, ms
from schemas import payments as said
from schemas.envelope import Actor, Wire

METHODS_MAX = 10


class Method(msgspec.Struct, frozen=True):
    """A saved payment method, as much as may be shown to its owner."""

    id: str
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One person, whole; `methods` oldest first, the last one is charged unless another is named."""

    id: UUID
    sequence: int = 0
    account_id: str | None = None
    country: str | None = None
    details_submitted: bool = False
    charges_enabled: bool = False
    payouts_enabled: bool = False
    requirements: tuple[str, ...] = ()
    observed_ms: int = 0
    customer_id: str | None = None
    methods: tuple[Method, ...] = ()
    automatic: bool = False


def decide(person: Person, asked: Asked) -> Decided:
    """The answer to a command about a person, and what happens by it."""
    match asked.body:
        case said.RecordAccount() | said.RecordPayer() | said.ForgetPayer() if not asked.actor.is_system:
            return refused("forbidden")
        case said.RecordAccount() as command:
            return _record_account(person, command)
        case said.RecordPayer() as command:
            return _record_payer(person, command)
        case said.ForgetPayer():
            return _forget(person)
        case _ if not _is(person, asked.actor):
            return refused("forbidden")
        case said.StartOnboarding() as command:
            return _onboard(person, asked.actor, command)
        case said.SavePaymentMethod():
            return accepted("setup_started", said.PaymentMethodAsked(user_id=person.id))
        case said.RemovePaymentMethod() as command:
            return _remove(person, command)
        case said.SetAutomaticPayment() as command:
            return _automatic(person, command)
        case _:
            raise TypeError(f"{type(asked.body).__name__} is about no person")


def _is(person: Person, actor: Actor) -> bool:
    return actor.id == str(person.id)


def _onboard(person: Person, actor: Actor, command: said.StartOnboarding) -> Decided:
    if "seller" not in actor.roles:
        return refused("not_allowed")
    country = person.country or command.country
    return accepted("onboarding_started", said.OnboardingStarted(user_id=person.id, country=country))


def _record_account(person: Person, command: said.RecordAccount) -> Decided:
    if ms(command.observed_at) < person.observed_ms:
        return nothing("older")
    before = (person.account_id, person.details_submitted, person.charges_enabled, person.payouts_enabled)
    now = (command.account_id, command.details_submitted, command.charges_enabled, command.payouts_enabled)
    if before == now and person.requirements == tuple(command.requirements):
        return nothing("known")
    changed = said.SellerAccountChanged(
        user_id=person.id,
        details_submitted=command.details_submitted,
        charges_enabled=command.charges_enabled,
        payouts_enabled=command.payouts_enabled,
        requirements=command.requirements,
        observed_at=command.observed_at,
    )
    return accepted("account_changed", Told(changed, {"account": command.account_id}))


def _record_payer(person: Person, command: said.RecordPayer) -> Decided:
    told: list[Told] = []
    if person.customer_id != command.customer_id:
        told.append(Told(said.PayerKnown(user_id=person.id), {"customer": command.customer_id}))
    if command.payment_method_id is not None and all(one.id != command.payment_method_id for one in person.methods):
        saved = said.PaymentMethodSaved(
            user_id=person.id,
            payment_method_id=command.payment_method_id,
            brand=command.brand,
            last4=command.last4,
            exp_month=command.exp_month,
            exp_year=command.exp_year,
        )
        told.append(Told(saved))
    return accepted("recorded", *told) if told else nothing("known")


def _forget(person: Person) -> Decided:
    if person.customer_id is None:
        return nothing("not_known")
    return accepted("forgotten", Told(said.PayerForgotten(user_id=person.id), {"customer": person.customer_id}))


def _remove(person: Person, command: said.RemovePaymentMethod) -> Decided:
    if all(one.id != command.payment_method_id for one in person.methods):
        return refused("method_not_found")
    removed = said.PaymentMethodRemoved(user_id=person.id, payment_method_id=command.payment_method_id)
    if len(person.methods) > 1 or not person.automatic:
        return accepted("removed", removed)
    return accepted("removed", removed, said.AutomaticPaymentSet(user_id=person.id, enabled=False))


def _automatic(person: Person, command: said.SetAutomaticPayment) -> Decided:
    if command.enabled == person.automatic:
        return nothing("already_so", enabled=person.automatic)
    if command.enabled and not person.methods:
        return refused("method_not_found")
    told = said.AutomaticPaymentSet(user_id=person.id, enabled=command.enabled)
    return accepted("set", told, enabled=command.enabled)


def evolve(person: Person, told: Told) -> Person:
    """The person after an event."""
    changes: dict[str, Any] = _changes(person, told.event, told.kept)
    return replace(person, sequence=person.sequence + 1, **changes)


def _changes(person: Person, event: Wire, kept: dict[str, str]) -> dict[str, Any]:
    match event:
        case said.OnboardingStarted():
            return {"country": event.country}
        case said.SellerAccountChanged():
            return {
                "account_id": kept["account"],
                "details_submitted": event.details_submitted,
                "charges_enabled": event.charges_enabled,
                "payouts_enabled": event.payouts_enabled,
                "requirements": tuple(event.requirements),
                "observed_ms": ms(event.observed_at),
            }
        case said.PayerKnown():
            return {"customer_id": kept["customer"]}
        case said.PaymentMethodAsked():
            return {}
        case said.PaymentMethodSaved():
            saved = Method(event.payment_method_id, event.brand, event.last4, event.exp_month, event.exp_year)
            return {"methods": (*person.methods, saved)[-METHODS_MAX:]}
        case said.PaymentMethodRemoved():
            return {"methods": tuple(one for one in person.methods if one.id != event.payment_method_id)}
        case said.PayerForgotten():
            return {"customer_id": None, "methods": (), "automatic": False}
        case said.AutomaticPaymentSet():
            return {"automatic": event.enabled}
        case _:
            raise TypeError(f"{type(event).__name__} happens to no person")
