"""Errands for people: a seller is led to his onboarding, a buyer saves a payment method or has it forgotten."""

import uuid

from consumers.payments import effects, store
from consumers.payments.gateway import Refused
from consumers.payments.observing import account_said
from consumers.payments.tools import Tools, customer_of, secret_of
from consumers.runtime import Claimed, Done, GiveUp
from schemas.envelope import time_ms

SETUP_S = 86_400
"""A client secret of a setup is of use for a day."""


async def onboard(tools: Tools, errand: effects.Onboard, job: Claimed) -> Done:
    """The account is made once per seller: its key is the seller's, not the job's."""
    person = await store.load_person(tools.db, errand.user_id)
    try:
        account_id = person.account_id
        if account_id is None:
            key = uuid.uuid5(errand.user_id, "account")
            made = await tools.gateway.create_account(user_id=errand.user_id, country=errand.country, key=key)
            account_id = made.id
        link = await tools.gateway.onboarding_link(
            account_id,
            return_url=f"{tools.public_url}/payouts/return",
            refresh_url=f"{tools.public_url}/payouts/refresh",
        )
    except Refused as error:
        return Done([store.leave_failure(job.id, "onboarding", error.code, str(error))])
    told = await account_said(tools, account_id, errand.user_id, job)
    return Done([secret_of(tools, job.id, "onboarding", link.url, expires_at=link.expires_at)], [told])


async def begin_setup(tools: Tools, errand: effects.BeginSetup, job: Claimed) -> Done:
    """Begin to save a payment method, and leave the client secret."""
    try:
        customer, made = await customer_of(tools, errand.user_id)
        setup = await tools.gateway.create_setup(customer_id=customer, user_id=errand.user_id, key=job.id)
    except Refused as error:
        return Done([store.leave_failure(job.id, "setup", error.code, str(error))])
    expires_at = time_ms() // 1000 + SETUP_S
    return Done([secret_of(tools, job.id, "setup", setup.client_secret, expires_at=expires_at)], made)


async def forget(tools: Tools, errand: effects.ForgetMethod, job: Claimed) -> Done:
    """Have the provider forget a payment method."""
    try:
        await tools.gateway.forget_card(errand.method, key=job.id)
    except Refused as error:
        raise GiveUp(str(error)) from error
    return Done()


async def forget_customer(tools: Tools, errand: effects.ForgetCustomer) -> Done:
    """Have the provider forget a buyer who left."""
    await tools.gateway.forget_customer(errand.customer_id)
    return Done()
