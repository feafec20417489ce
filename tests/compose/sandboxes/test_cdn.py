"""The CDN stand-in: which CloudFront signatures it takes, and what it serves (CloudFront Developer Guide, signed URLs)."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from compose import envfile
from compose.sandboxes.cloudfront.cache import Cache
from compose.servers import cdn
from compose.settings import parse_signing_keys
from tests.compose.sandboxes.delivery import BODY, Answer, Delivery, delivering, signer
from tests.compose.waiting import until

pytestmark = pytest.mark.stack

FILM = "/videos/0b0e/a.m4s"


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cdn, "KEPT_S", 1)
        with delivering(tmp_path_factory.mktemp("delivery")) as found:
            yield found


def soon(seconds: float = 60) -> datetime:
    return datetime.fromtimestamp(int(time.time() + seconds), UTC)


def canned(delivery: Delivery, path: str = FILM, seconds: float = 60) -> str:
    return str(delivery.signer.generate_presigned_url(delivery.base + path, date_less_than=soon(seconds)))


def custom(delivery: Delivery, policy: str, path: str = FILM) -> str:
    return str(delivery.signer.generate_presigned_url(delivery.base + path, policy=policy))


def policy(resource: str | None, **conditions: object) -> str:
    """A policy with a moment's life; conditions given replace that."""
    said = {"DateLessThan": {"AWS:EpochTime": int(time.time() + 60)}} | conditions
    statement = ({} if resource is None else {"Resource": resource}) | {
        "Condition": {name: value for name, value in said.items() if value is not None}
    }
    return json.dumps({"Statement": [statement]})


def ip(range_: str) -> dict[str, str]:
    return {"AWS:SourceIp": range_}


def at(seconds: float) -> dict[str, int]:
    return {"AWS:EpochTime": int(time.time() + seconds)}


PASSES: dict[str, Callable[[Delivery], str]] = {
    "canned": canned,
    "canned, with a query of its own": lambda d: canned(d, f"{FILM}?a=1&b=%20"),
    "custom, exactly this address": lambda d: custom(d, policy(d.base + FILM)),
    "custom, everything below": lambda d: custom(d, policy(d.base + "/videos/0b0e/*")),
    "custom, any letter": lambda d: custom(d, policy(d.base + "/videos/0b0e/?.m4s")),
    "custom, any scheme": lambda d: custom(d, policy(d.base.replace("http:", "http*:") + "/videos/*")),
    "custom, begun": lambda d: custom(d, policy(d.base + FILM, DateGreaterThan=at(-5))),
    "custom, this address of the viewer": lambda d: custom(d, policy(d.base + FILM, IpAddress=ip("127.0.0.1"))),
    "custom, this network of the viewer": lambda d: custom(d, policy(d.base + FILM, IpAddress=ip("127.0.0.0/8"))),
    "custom, everybody": lambda d: custom(d, policy(d.base + FILM, IpAddress=ip("0.0.0.0/0"))),
    "custom, all that the key covers": lambda d: custom(d, policy(None)),
    "the next key": lambda d: str(d.signers["KNEXT"].generate_presigned_url(d.base + FILM, date_less_than=soon())),
}


@pytest.mark.parametrize("made", PASSES.values(), ids=PASSES.keys())
def test_what_cloudfront_lets_pass_passes(delivery: Delivery, made: Callable[[Delivery], str]) -> None:
    answer = delivery.ask(made(delivery))

    assert (answer.status, answer.body) == (200, BODY)


def swapped(address: str, parameter: str, value: str) -> str:
    return re.sub(rf"{parameter}=[^&]*", f"{parameter}={value}", address)


def two_statements(d: Delivery) -> str:
    one = json.loads(policy(d.base + FILM))["Statement"][0]
    return custom(d, json.dumps({"Statement": [one, one]}))


def foreign(d: Delivery) -> str:
    [(_, der)] = parse_signing_keys(f"K:{envfile.signing_key()}").items()
    return str(signer(next(iter(d.signers)), der).generate_presigned_url(d.base + FILM, date_less_than=soon()))


def below(d: Delivery, path: str) -> str:
    """A path asked for with a good signature for everything below the film."""
    return d.base + path + "?" + custom(d, policy(d.base + "/videos/0b0e/*")).partition("?")[2]


REFUSED: dict[str, Callable[[Delivery], str]] = {
    "no signature": lambda d: d.base + FILM,
    "over": lambda d: canned(d, seconds=-1),
    "a later end than was signed": lambda d: swapped(canned(d), "Expires", str(int(time.time() + 9_999))),
    "another signature": lambda d: swapped(
        canned(d), "Signature", canned(d, "/videos/x").split("Signature=")[1].split("&")[0]
    ),
    "a signature that is none": lambda d: swapped(canned(d), "Signature", "AAAA"),
    "an empty signature": lambda d: swapped(canned(d), "Signature", ""),
    "a key that is not trusted": lambda d: swapped(canned(d), "Key-Pair-Id", "KOTHER"),
    "a key named as a property of every object": lambda d: swapped(canned(d), "Key-Pair-Id", "constructor"),
    "a foreign key under our name": foreign,
    "another object": lambda d: canned(d).replace("a.m4s", "b.m4s"),
    "another query": lambda d: canned(d, f"{FILM}?viewer=1").replace("viewer=1", "viewer=2"),
    "a query that was not signed": lambda d: canned(d) + "&more=1",
    "a parameter twice": lambda d: canned(d) + "&Expires=99999999999",
    "both kinds of policy": lambda d: canned(d) + "&Policy=e30_",
    "an end that is no number": lambda d: swapped(canned(d), "Expires", "1e99"),
    "a policy that was changed": lambda d: swapped(
        custom(d, policy(d.base + FILM)),
        "Policy",
        custom(d, policy(d.base + "/videos/*")).split("Policy=")[1].split("&")[0],
    ),
    "a policy of two statements": two_statements,
    "a policy without an end": lambda d: custom(d, policy(d.base + FILM, DateLessThan=None)),
    "a policy with an end in words": lambda d: custom(
        d, policy(d.base + FILM, DateLessThan={"AWS:EpochTime": "never"})
    ),
    "a policy that is over": lambda d: custom(d, policy(d.base + FILM, DateLessThan=at(-1))),
    "a policy that has not begun": lambda d: custom(d, policy(d.base + FILM, DateGreaterThan=at(30))),
    "a policy of another object": lambda d: custom(d, policy(d.base + "/videos/ffff/*")),
    "a policy of one letter more": lambda d: custom(d, policy(d.base + "/videos/0b0e/??.m4s")),
    "a policy of another host": lambda d: custom(d, policy("https://elsewhere.example/videos/*")),
    "a policy whose dot is any letter": lambda d: custom(
        d, policy(d.base + "/videos/0b0e/axm4s"), "/videos/0b0e/a.m4s"
    ),
    "a policy of another viewer": lambda d: custom(d, policy(d.base + FILM, IpAddress=ip("10.0.0.1"))),
    "a policy of another network": lambda d: custom(d, policy(d.base + FILM, IpAddress=ip("10.0.0.0/8"))),
    "a policy of no network": lambda d: custom(d, policy(d.base + FILM, IpAddress=ip("127.0.0.0/99"))),
    "a policy that is no object": lambda d: custom(d, "[]"),
    "a policy that is no JSON": lambda d: custom(d, "Statement"),
    "out of the film by dots": lambda d: below(d, "/videos/0b0e/../1c1c/a.m4s"),
    "out of the film by encoded dots": lambda d: below(d, "/videos/0b0e/%2e%2e/1c1c/a.m4s"),
    "out of the film by an encoded slash": lambda d: below(d, "/videos/0b0e/..%2f1c1c/a.m4s"),
    "a doubled slash": lambda d: below(d, "/videos/0b0e//a.m4s"),
    "a hidden file": lambda d: below(d, "/videos/0b0e/.a"),
    "playlists with a signature for segments": lambda d: below(d, "/play/0b0e/auto/master.m3u8"),
    "another bucket": lambda d: canned(d, "/marketplace-uploads/incoming/a"),
}


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED.keys())
def test_what_cloudfront_refuses_is_refused_and_no_origin_is_asked(
    delivery: Delivery, made: Callable[[Delivery], str]
) -> None:
    before = [len(delivery.asked(origin)) for origin in ("bucket", "edge", "marker")]

    answer = delivery.ask(made(delivery))

    assert answer.status == 403
    assert b"<Code>AccessDenied</Code>" in answer.body or b"<Code>MissingKey</Code>" in answer.body
    assert [len(delivery.asked(origin)) for origin in ("bucket", "edge", "marker")] == before


def test_pictures_are_for_everybody_and_may_be_kept(delivery: Delivery) -> None:
    answer = delivery.ask("/pictures/1/a.webp")

    assert answer.status == 200
    assert "immutable" in answer.headers["cache-control"]


def test_a_browser_of_any_page_may_play_and_takes_nothing_for_a_page(delivery: Delivery) -> None:
    answer = delivery.ask(canned(delivery), Origin="https://app.example")
    preflight = delivery.ask(FILM, "OPTIONS", Origin="https://app.example")

    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cache-control"].startswith("private")
    assert "x-amz-request-id" not in answer.headers
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, "*")


def test_parts_of_an_object_are_served(delivery: Delivery) -> None:
    middle = delivery.ask(canned(delivery), Range="bytes=10-19")
    end = delivery.ask(canned(delivery), Range="bytes=-5")
    beyond = delivery.ask(canned(delivery), Range="bytes=99999-")
    head = delivery.ask(canned(delivery), "HEAD")

    assert (middle.status, middle.body) == (206, BODY[10:20])
    assert middle.headers["content-range"] == f"bytes 10-19/{len(BODY)}"
    assert (end.status, end.body) == (206, BODY[-5:])
    assert beyond.status == 416
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(BODY)), b"")


def test_nothing_can_be_written_through_it(delivery: Delivery) -> None:
    assert {delivery.ask(canned(delivery), method).status for method in ("POST", "PUT", "DELETE", "PATCH")} == {405}


def test_the_bucket_is_asked_with_the_cdns_own_signature(delivery: Delivery) -> None:
    delivery.ask(canned(delivery, "/videos/0b0e/once.m4s"), Authorization="Bearer x", Cookie="a=b")
    path, headers = delivery.asked()[-1]
    access, secret, endpoint = delivery.s3

    signed = {name: headers[name] for name in ("host", "x-amz-date", "x-amz-content-sha256")}
    request = AWSRequest("GET", endpoint + path, signed)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(access, secret), "s3", "us-east-1")
    right = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)

    assert headers["authorization"].endswith(f"Signature={right}")
    assert "cookie" not in headers


def test_an_object_is_kept_shortly_then_asked_about_and_gone_when_the_bucket_has_it_no_more(delivery: Delivery) -> None:
    path = "/videos/0b0e/kept.m4s"

    def asked() -> int:
        return sum(one == f"/marketplace-media{path}" for one, _ in delivery.asked())

    first, again = delivery.ask(canned(delivery, path)), delivery.ask(canned(delivery, path, seconds=90))
    assert [answer.headers["x-cache"] for answer in (first, again)] == ["Miss from cloudfront", "Hit from cloudfront"]
    assert asked() == 1

    fresh = answered(delivery, path, lambda answer: "RefreshHit" in answer.headers["x-cache"])
    assert fresh.body == BODY
    delivery.gone(path)
    answered(delivery, path, lambda answer: answer.status == 404)


def test_what_is_purged_is_asked_for_again_at_once(delivery: Delivery) -> None:
    path = "/videos/0b0e/purged.m4s"
    delivery.ask(canned(delivery, path))
    delivery.gone(path)

    assert Cache(delivery.cache).purge(["/videos/0b0e/*"]) >= 1
    assert delivery.ask(canned(delivery, path)).status == 404


def test_playlists_come_from_the_edge_which_knows_that_the_cdn_asks(delivery: Delivery) -> None:
    address = canned(delivery, "/play/0b0e/auto/master.m3u8?until=5&mark=x")

    first = delivery.ask(address, X_Origin_Secret="guessed", Authorization="Bearer x")
    delivery.ask(address)

    path, headers = delivery.asked("edge")[-2]
    assert first.status == 200
    assert path == "/api/v1/play/0b0e/auto/master.m3u8?until=5&mark=x"
    assert headers["x-origin-secret"] == delivery.secret
    assert "authorization" not in headers
    assert len(delivery.asked("edge")) == 2, "a playlist is not kept"


def test_viewers_own_renditions_come_from_the_marker(delivery: Delivery) -> None:
    answer = delivery.ask(canned(delivery, "/marked/0b0e/7777/720p/0.m4s"))

    path, headers = delivery.asked("marker")[-1]
    assert (answer.status, path, headers["x-origin-secret"]) == (200, "/marked/0b0e/7777/720p/0.m4s", delivery.secret)


def answered(delivery: Delivery, path: str, is_so: Callable[[Answer], bool]) -> Answer:
    """The first answer that is so."""
    answers: list[Answer] = []

    def asked() -> bool:
        answers[:] = [delivery.ask(canned(delivery, path))]
        return is_so(answers[0])

    until(asked, seconds=10, what=f"{path} is answered otherwise")
    return answers[0]
