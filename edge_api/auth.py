"""Registration, login, sessions: /auth/*. Secrets are made here and travel sealed or hashed, never in clear."""

import math
import time
from typing import Annotated
from uuid import UUID, uuid5

import structlog
from fastapi import Depends, Header
from pydantic import BaseModel
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from edge_api.asking import Sender, ask, sender_of
from edge_api.bodies import written
from edge_api.edge import Edge, edge_of
from edge_api.people_views import user_of_email
from edge_api.problems import Problem, unavailable
from edge_api.routing import SignedIn, router, says
from edge_api.shapes import Done, Registered, Renewed, Session
from edge_api.tokens import Caller, read_mailed, sha256_hex
from schemas import users
from schemas.envelope import Wire, aggregate_of, time_ms
from schemas.users import EmailOnly, Login, PasswordChange, PasswordResetRequest, Refresh, Registration, TokenOnly

routes = router("auth")
log = structlog.get_logger("auth")

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", description="The same key with the same body: the same answer.")
]


def sender(request: Request, _key: IdempotencyKey = None) -> Sender:
    """The command's sender, by token and Idempotency-Key."""
    return sender_of(request)


From = Annotated[Sender, Depends(sender)]


def seal(edge: Edge, sender: Sender, field: str, text: str) -> str:
    """A secret as it travels in one field of one command."""
    return edge.seal.seal(text, message_id=str(sender.command_id), field=field, at_s=time_ms() // 1000)


async def ask_secretly(
    request: Request, sender: Sender, command: Wire, said: BaseModel, *, user_id: UUID, **kept: object
) -> Response:
    """Send a command that holds what must not stand on a topic: its fingerprint covers a keyed hash of what was said."""
    return await ask(
        request,
        sender,
        type(command).__name__,
        user_id,
        written(command),
        asked_for=edge_of(request).keyed(written(said)),
        kept=dict(kept),
    )


@routes.post(
    "/auth/register",
    **says(
        "Open an account",
        Registered,
        status=201,
        body=True,
        command=True,
        signed_in=False,
        refuses=("email_taken", "username_taken"),
    ),
)
async def register(request: Request, body: Registration, sender: From) -> Response:
    """Opens an account with role buyer and sends the e-mail that confirms the address."""
    edge = edge_of(request)
    user_id = sender.new_id("user")
    command = users.RegisterUser(
        user_id=user_id,
        email_hash=edge.email_hash(body.email),
        email_sealed=seal(edge, sender, "emailSealed", body.email),
        username=body.username,
        full_name_sealed=seal(edge, sender, "fullNameSealed", body.full_name),
        password_sealed=seal(edge, sender, "passwordSealed", body.password),
    )
    return await ask_secretly(
        request,
        sender,
        command,
        body,
        user_id=user_id,
        email=body.email,
        username=body.username,
        fullName=body.full_name,
    )


@routes.post(
    "/auth/verify-email",
    **says(
        "Confirm the e-mail address",
        Done,
        body=True,
        command=True,
        signed_in=False,
        refuses=("invalid_token", "token_expired"),
    ),
)
async def verify_email(request: Request, body: TokenOnly, sender: From) -> Response:
    """Takes the token of the confirmation e-mail, once, within 24 hours."""
    user_id = _mailed(body.token)
    command = users.VerifyEmail(user_id=user_id, token_hash=sha256_hex(body.token))
    return await ask(request, sender, "VerifyEmail", user_id, written(command))


@routes.post(
    "/auth/resend-verification",
    **says("Send the confirmation e-mail again", Done, body=True, command=True, signed_in=False),
)
async def resend_verification(request: Request, body: EmailOnly, sender: From) -> Response:
    """The answer is the same whether or not there is such an account."""
    user_id = await _user_of(edge_of(request), body.email)
    return await ask(request, sender, "ResendVerification", user_id, written(users.ResendVerification(user_id=user_id)))


@routes.post(
    "/auth/login",
    **says(
        "Log in",
        Session,
        body=True,
        command=True,
        signed_in=False,
        refuses=("invalid_credentials", "too_many_attempts", "account_suspended"),
    ),
)
async def login(request: Request, body: Login, sender: From) -> Response:
    """Opens a session: an access token (24 h) and a refresh token (7 d, exchanged at each use)."""
    edge = edge_of(request)
    need_redis(edge)
    user_id = await _user_of(edge, body.email)
    session_id = uuid5(sender.command_id, "session")
    command = users.LogIn(
        user_id=user_id,
        password_sealed=seal(edge, sender, "passwordSealed", body.password),
        session_id=session_id,
        refresh_hash=edge.refresh_tokens.of_command(sender.command_id, user_id, session_id).hash,
    )
    return await ask_secretly(request, sender, command, body, user_id=user_id)


@routes.post(
    "/auth/refresh",
    **says(
        "Exchange the refresh token",
        Session,
        body=True,
        command=True,
        signed_in=False,
        refuses=("invalid_token", "token_expired", "token_reused", "session_ended", "account_suspended"),
    ),
)
async def refresh(request: Request, body: Refresh, sender: From) -> Response:
    """New tokens for the session; a refresh token that was used before ends it (RFC 9700, 4.14)."""
    edge = edge_of(request)
    need_redis(edge)
    shown = edge.refresh_tokens.read(body.refresh_token)
    command = users.RefreshSession(
        user_id=shown.user_id,
        session_id=shown.session_id,
        presented_hash=shown.hash,
        next_hash=edge.refresh_tokens.of_command(sender.command_id, shown.user_id, shown.session_id).hash,
    )
    return await ask(request, sender, "RefreshSession", shown.user_id, written(command))


@routes.post(
    "/auth/logout",
    **says("End this session", Done, body=True, command=True, refuses=("not_found", "not_allowed", "invalid_token")),
)
async def logout(request: Request, caller: SignedIn, sender: From, body: Refresh | None = None) -> Response:
    """Ends the session of the access token, or that of a refresh token of the same account; both die at once."""
    edge = edge_of(request)
    session_id = UUID(caller.session_id)
    if body is not None:
        shown = edge.refresh_tokens.read(body.refresh_token)
        if shown.user_id != caller.user_id:
            raise Problem("not_allowed", "The refresh token is another account's.")
        session_id = shown.session_id
    command = users.LogOut(user_id=caller.user_id, session_id=session_id)
    answer = await ask(request, sender, "LogOut", caller.user_id, written(command))
    await _blacklist(edge, caller, str(session_id))
    return answer


@routes.post("/auth/logout-all", **says("End all sessions", Done, command=True, refuses=("not_found",)))
async def logout_all(request: Request, caller: SignedIn, sender: From) -> Response:
    """Ends every session of the account, this one too."""
    command = users.LogOutAll(user_id=caller.user_id)
    answer = await ask(request, sender, "LogOutAll", caller.user_id, written(command))
    await _blacklist(edge_of(request), caller, caller.session_id)
    return answer


@routes.put(
    "/auth/password",
    **says(
        "Change the password",
        Renewed,
        body=True,
        command=True,
        refuses=("invalid_credentials", "too_many_attempts", "not_found"),
    ),
)
async def change_password(request: Request, caller: SignedIn, body: PasswordChange, sender: From) -> Response:
    """Needs the current password. Other sessions end; this one goes on with the access token of the answer."""
    edge = edge_of(request)
    command = users.ChangePassword(
        user_id=caller.user_id,
        session_id=UUID(caller.session_id),
        current_sealed=seal(edge, sender, "currentSealed", body.current_password),
        new_sealed=seal(edge, sender, "newSealed", body.new_password),
    )
    return await ask_secretly(request, sender, command, body, user_id=caller.user_id, sessionId=caller.session_id)


@routes.post(
    "/auth/password/forgot",
    **says("Ask for a reset e-mail", Done, body=True, command=True, signed_in=False),
)
async def forgot_password(request: Request, body: EmailOnly, sender: From) -> Response:
    """The answer is the same whether or not there is such an account."""
    user_id = await _user_of(edge_of(request), body.email)
    return await ask(request, sender, "ForgotPassword", user_id, written(users.ForgotPassword(user_id=user_id)))


@routes.post(
    "/auth/password/reset",
    **says(
        "Set a new password",
        Done,
        body=True,
        command=True,
        signed_in=False,
        refuses=("invalid_token", "token_expired", "account_suspended"),
    ),
)
async def reset_password(request: Request, body: PasswordResetRequest, sender: From) -> Response:
    """Takes the token of the reset e-mail, once, within an hour; all sessions end."""
    user_id = _mailed(body.token)
    command = users.ResetPassword(
        user_id=user_id,
        token_hash=sha256_hex(body.token),
        new_sealed=seal(edge_of(request), sender, "newSealed", body.password),
    )
    return await ask_secretly(request, sender, command, body, user_id=user_id)


async def _user_of(edge: Edge, email: str) -> UUID:
    """Whose address it is; of an unknown one an id that nobody has, so that both take the same way."""
    email_hash = edge.email_hash(email)
    return await user_of_email(edge, email_hash) or aggregate_of("email", email_hash)


def _mailed(token: str) -> UUID:
    try:
        return read_mailed(token)[0]
    except ValueError:
        raise Problem("invalid_token", "The token is not valid.") from None


def need_redis(edge: Edge) -> None:
    """New tokens are given out only while limits and revocations are those of all edge processes."""
    if edge.admission.away:
        raise unavailable("Nobody can log in for the moment; nothing was done.")


async def _blacklist(edge: Edge, caller: Caller, session_id: str) -> None:
    remaining_s = max(1, math.ceil(caller.expires_at - time.time()))
    try:
        async with edge.redis.pipeline(transaction=False) as pipe:
            pipe.set(f"blacklist:{caller.token_id}", "1", ex=remaining_s)
            pipe.set(f"blacklist:session:{session_id}", "1", ex=edge.tokens.life_s)
            await pipe.execute()
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("a token could not be put on the blacklist", reason=repr(error))
        raise unavailable(
            "The session is over, but its access token is not dead yet; send the request again."
        ) from None
