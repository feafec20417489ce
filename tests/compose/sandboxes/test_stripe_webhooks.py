"""The Stripe stand-in's events and webhooks: signed, repeated until they are taken, lost and doubled when a switch says so."""

from pathlib import Path

import stripe

from compose.sandboxes.stripe.events import signature
from tests.compose.sandboxes.paying import pay, sdk, seller
from tests.compose.sandboxes.stripe_standin import WEBHOOK_SECRETS, StripeStandin, running
from tests.compose.waiting import until

PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def taken(standin: StripeStandin, count: int) -> list[str]:
    until(lambda: len(standin.taker.taken) >= count, seconds=10, what=f"{count} events arrive")
    return standin.taker.types()


def test_every_event_arrives_signed_with_each_good_secret(stripe_standin: StripeStandin) -> None:
    paid = pay(sdk(stripe_standin))

    assert sorted(taken(stripe_standin, 3)) == sorted(PAID)
    for secret in WEBHOOK_SECRETS:
        for event, header, body in stripe_standin.taker.taken:
            assert stripe.Webhook.construct_event(body, header, secret).id == event["id"]
    assert {event["data"]["object"].get("payment_intent", paid.id) for event, _, _ in stripe_standin.taker.taken} == {
        paid.id
    }
    assert not any(
        name.startswith("_") for event, _, _ in stripe_standin.taker.taken for name in event["data"]["object"]
    )


def test_a_signature_is_stripes_own() -> None:
    ours = signature(b'{"id":"evt_1"}', ["whsec_a"], at=1_700_000_000)
    theirs = stripe.WebhookSignature.generate_signature_header('{"id":"evt_1"}', "whsec_a", timestamp=1_700_000_000)

    assert ours.startswith(theirs + ",v0=")


def test_an_event_shows_its_object_as_it_was_then(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    pay(api)

    first, _, last = api.events.list().data[::-1]

    assert (first.data.object.status, last.data.object.status) == ("requires_confirmation", "succeeded")


def test_a_webhook_is_sent_again_until_it_is_taken(stripe_standin: StripeStandin) -> None:
    stripe_standin.taker.answers = [500, 302]
    api = sdk(stripe_standin)
    customer = api.customers.create({})

    assert taken(stripe_standin, 3) == ["customer.created"] * 3
    until(lambda: api.events.list({"delivery_success": True}).data != [], seconds=10, what="it counts as delivered")
    [event] = api.events.list().data
    assert (event.pending_webhooks, event.data.object.id) == (0, customer.id)
    [delivery] = stripe_standin.ask("/sandbox/objects/delivery")["items"]
    assert (delivery["state"], delivery["answers"]) == ("taken", [500, 302, 200])


def test_lost_webhooks_are_still_in_the_list_of_events_and_can_be_sent_again(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    stripe_standin.ask("/sandbox/webhooks", {"type": "payment_intent.", "lose": True})
    pay(api)
    assert taken(stripe_standin, 1) == ["charge.succeeded"]
    assert [
        one.type for one in api.events.list({"types": ["payment_intent.created", "payment_intent.succeeded"]}).data
    ] == PAID[::-2]

    assert stripe_standin.ask("/sandbox/webhooks/release", {}) == {"released": 2}

    assert sorted(taken(stripe_standin, 3)) == sorted(PAID)


def test_webhooks_are_held_doubled_and_sent_in_the_order_one_likes(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    stripe_standin.ask("/sandbox/webhooks", {"hold": True, "times": 3})
    pay(api)
    newest_first = api.events.list().data

    for event in newest_first:
        assert stripe_standin.ask(f"/sandbox/events/{event.id}/send", {"times": 2}) == {"answers": [200, 200]}

    assert stripe_standin.taker.types() == [kind for kind in PAID[::-1] for _ in range(2)]
    stripe_standin.ask("/sandbox/webhooks", {"type": "customer.", "duplicates": 4, "delay_ms": 50, "shuffle": True})
    api.customers.create({})
    assert taken(stripe_standin, 11)[6:] == ["customer.created"] * 5


def test_sellers_events_say_whose_they_are_and_an_endpoint_hears_its_own_kind_only(
    stripe_standin: StripeStandin,
) -> None:
    api = sdk(stripe_standin)
    made = api.webhook_endpoints.create(
        {"url": f"{stripe_standin.taker.url}/mine", "enabled_events": ["account.updated"], "connect": True}
    )
    account = seller(api, stripe_standin)

    taken(stripe_standin, 2)

    headers = [header for event, header, _ in stripe_standin.taker.taken if event["account"] == account.id]
    bodies = [body for _, _, body in stripe_standin.taker.taken]
    assert len(headers) == 2
    own = [
        secret
        for secret in (made.secret, *WEBHOOK_SECRETS)
        for header, body in zip(headers, bodies, strict=True)
        if signed(body, header, secret)
    ]
    assert own == [made.secret, *WEBHOOK_SECRETS]
    assert api.webhook_endpoints.retrieve(made.id).to_dict().get("secret") is None
    api.webhook_endpoints.delete(made.id)


def signed(body: bytes, header: str, secret: str) -> bool:
    try:
        stripe.Webhook.construct_event(body, header, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


def test_a_killed_stand_in_comes_back_with_all_it_knew_and_delivers_what_was_due(tmp_path: Path) -> None:
    with running(tmp_path) as standin:
        standin.taker.answer = 500
        paid = pay(sdk(standin))
        taken(standin, 3)
        standin.kill()
        standin.taker.taken.clear()
        standin.taker.answer = 200

        standin.start()

        assert sdk(standin).payment_intents.retrieve(paid.id).status == "succeeded"
        assert standin.totals()["payers"] == -15_000
        assert sorted(taken(standin, 3)) == sorted(PAID)


def test_the_page_shows_what_happened_and_lets_no_text_run(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    assert "None yet." in stripe_standin.http.get("/").text
    pay(api, metadata={"order_id": "<script>alert(1)</script>"})

    page = stripe_standin.http.get("/")

    assert "$150.00 usd" in page.text
    assert "&lt;script&gt;" in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_another_name_for_this_machine_reads_nothing(stripe_standin: StripeStandin) -> None:
    assert stripe_standin.http.get("/sandbox/ledger", headers={"host": "evil.example"}).status_code == 400
