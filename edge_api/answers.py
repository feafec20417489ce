"""A worker's reply as a client's answer: one place for the status of each command and the shape of what it made."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Raw
from starlette.responses import Response

from edge_api import payment_views, provided
from edge_api.asked import Asked, json_response
from edge_api.codes import CODES, status_of
from edge_api.edge import Edge
from edge_api.people_views import seller_of
from edge_api.problems import Problem
from edge_api.uploads import Invited, invitation
from schemas.envelope import Reply

Answer = dict[str, Raw]
"""A JSON object whose values stay as they were written, so that amounts stay exact."""

_read: Callable[[bytes], Answer] = msgspec.json.Decoder(dict[str, Raw]).decode
_BIDDERS = ("bidderId", "leaderId", "winnerId")


async def respond(edge: Edge, asked: Asked, reply: Reply) -> Response:
    """The answer to a decided command; raises Problem for a refusal."""
    if reply.outcome == "refused":
        raise refusal(reply)
    told = TOLD.get(asked.name, _PLAIN)
    status = told.status if reply.outcome == "accepted" else 200
    return json_response(await told.shape(edge, asked, reply, _read(bytes(reply.answer))), status)


def refusal(reply: Reply) -> Problem:
    """Why not, with what belongs to the reason (`minimum`)."""
    more: dict[str, Any] = msgspec.json.decode(bytes(reply.answer))
    more.pop("code", None)
    detail = more.pop("detail", None) or CODES.get(reply.code, CODES["refused"]).title + "."
    headers = {"Retry-After": str(more["retryAfterS"])} if "retryAfterS" in more else None
    return Problem(reply.code, detail, status=status_of(reply.code), headers=headers, more=more)


class Told(NamedTuple):
    """How the acceptance of one kind of command is told."""

    status: int
    shape: Callable[[Edge, Asked, Reply, Answer], Awaitable[Any]]


async def _as_it_is(edge: Edge, asked: Asked, reply: Reply, answer: Answer) -> Any:
    for name in _BIDDERS:
        said = answer.get(name)
        if said is not None and bytes(said) != b"null":
            answer[name] = _text(edge.pseudonym(_word(answer.get("auctionId")) or asked.aggregate, _word(said) or ""))
    return answer if "code" in answer else {**answer, "code": reply.code}


def _word(said: Raw | None) -> str | None:
    return None if said is None else str(msgspec.json.decode(bytes(said)))


def _text(said: object) -> Raw:
    return Raw(msgspec.json.encode(said))


async def _auction(edge: Edge, _asked: Asked, _reply: Reply, answer: Answer) -> Any:
    if "seller" in answer:
        seller: dict[str, Any] = msgspec.json.decode(bytes(answer["seller"]))
        answer["seller"] = _text(await seller_of(edge, UUID(seller["id"])))
    return answer


async def _registered(_edge: Edge, asked: Asked, _reply: Reply, answer: Answer) -> Any:
    # What the person wrote is kept for a day only; after that the answer is without it.
    return {
        "id": str(asked.aggregate),
        **{name: asked.kept[name] for name in ("email", "username", "fullName") if name in asked.kept},
        "isVerified": False,
        "createdAt": answer["createdAt"],
    }


class Who(msgspec.Struct, rename="camel"):
    """Of whom accounts says that they logged in; `decided_at` in milliseconds since 1970."""

    user_id: UUID
    session_id: UUID
    username: str
    roles: tuple[str, ...]
    is_verified: bool
    decided_at: int


class Change(msgspec.Struct, rename="camel"):
    """What accounts says of a change that killed the access tokens made before it."""

    roles: tuple[str, ...]
    decided_at: int


async def _session(edge: Edge, asked: Asked, reply: Reply, _answer: Answer) -> Any:
    who = msgspec.json.decode(bytes(reply.answer), type=Who)
    refresh_token = edge.refresh_tokens.of_command(asked.command_id, who.user_id, who.session_id)
    return {
        **_access(edge, who.user_id, who.roles, str(who.session_id), who.decided_at),
        "refreshToken": refresh_token.text,
        "user": {
            "id": str(who.user_id),
            "username": who.username,
            "roles": who.roles,
            "isVerified": who.is_verified,
        },
    }


async def _renewed(edge: Edge, asked: Asked, reply: Reply, _answer: Answer) -> Any:
    """The change killed the caller's access token: here is another for the same session."""
    change = msgspec.json.decode(bytes(reply.answer), type=Change)
    if "sessionId" not in asked.kept:
        return {"code": reply.code, "roles": change.roles}
    access = _access(edge, asked.aggregate, change.roles, asked.kept["sessionId"], change.decided_at)
    return {**access, "code": reply.code, "roles": change.roles}


def _access(edge: Edge, user_id: UUID, roles: tuple[str, ...], session_id: str, decided_at: int) -> dict[str, Any]:
    # As old as the decision: an answer that is repeated later must not outlive what revoked its session meanwhile.
    return {
        "accessToken": edge.tokens.make(user_id, roles, session_id, at=decided_at / 1000),
        "tokenType": "Bearer",
        "expiresIn": edge.tokens.life_s,
    }


async def _order(edge: Edge, asked: Asked, reply: Reply, answer: Answer) -> Any:
    """Where the order stands now: the view holds at least what this command made of it."""
    row = await payment_views.order(edge, asked.aggregate)
    status = answer.get("status") if row is None else row["state"]
    return {"code": reply.code, "orderId": str(asked.aggregate), "status": status}


async def _only_the_code(_edge: Edge, _asked: Asked, reply: Reply, _answer: Answer) -> Any:
    return {"code": reply.code}


async def _upload(edge: Edge, _asked: Asked, _reply: Reply, answer: Answer) -> Any:
    return invitation(edge, msgspec.json.decode(msgspec.json.encode(answer), type=Invited))


_PLAIN = Told(200, _as_it_is)

OF_ORDERS = (
    "GiveAddress",
    "ChargeSavedMethod",
    "CancelOrder",
    "ShipOrder",
    "ConfirmDelivery",
    "RateOrder",
    "DisputeOrder",
    "CloseCase",
    "RefundOrder",
    "OfferSecondChance",
    "AcceptOffer",
    "DeclineOffer",
)
"""Commands of people about an order, all answered alike."""

TOLD: dict[str, Told] = {
    "CreateAuction": Told(201, _auction),
    "UpdateAuction": Told(200, _auction),
    "PublishAuction": Told(200, _auction),
    "PlaceBid": Told(201, _as_it_is),
    "RegisterUser": Told(201, _registered),
    "LogIn": Told(200, _session),
    "RefreshSession": Told(200, _session),
    "ChangePassword": Told(200, _renewed),
    "BecomeSeller": Told(200, _renewed),
    "RequestUpload": Told(201, _upload),
    # The same whether or not there is such an account.
    "ResendVerification": Told(200, _only_the_code),
    "ForgotPassword": Told(200, _only_the_code),
    # What the provider gives, a moment after the worker said yes.
    "CreateIntent": Told(200, provided.intent),
    "SavePaymentMethod": Told(200, provided.setup),
    "StartOnboarding": Told(200, provided.onboarding),
    **dict.fromkeys(OF_ORDERS, Told(200, _order)),
}
