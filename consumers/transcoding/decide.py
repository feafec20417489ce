"""What becomes of an upload by a command. No clock, no database, no broker, no files."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from consumers.transcoding import telling
from consumers.transcoding.upload import Awaited, Facts, Failed, InWork, Ready, Unknown, Upload, Withdrawn, Work
from schemas.envelope import Actor, Outcome, Wire, print_time
from schemas.roles import permitted
from schemas.videos import (
    CompleteUpload,
    ExpireUpload,
    RecordEncoded,
    RecordInspected,
    RecordPicture,
    RecordPublished,
    RecordUnfit,
    RequestUpload,
    WithdrawVideo,
)

Command = (
    RequestUpload
    | CompleteUpload
    | WithdrawVideo
    | ExpireUpload
    | RecordInspected
    | RecordEncoded
    | RecordPublished
    | RecordPicture
    | RecordUnfit
)
Step = Literal[
    "inspect", "encode", "publish-lowest", "publish", "picture", "watch", "tidy", "quarantine", "withdraw", "retire"
]

INSPECTED = 0.05
"""How much of the work is done when a film is inspected."""
TOLD_EVERY = 0.05
"""Progress is told in steps of so much, so that a long film does not fill the topic."""
EXPIRED = ("upload_expired", "The upload was not finished in time. Please start it again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken at most (settings); `open_uploads` of one person at once, `open_ms` for one upload."""

    film_bytes: int
    picture_bytes: int
    open_uploads: int
    open_ms: int
    part_bytes: int


@dataclass(frozen=True, slots=True)
class Errand:
    """A job that follows; `task` names what is to be encoded."""

    step: Step
    task: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to a command, what happened by it, the upload after it, and what is to be done."""

    outcome: Outcome
    code: str
    after: Upload
    told: tuple[Wire, ...] = ()
    errands: tuple[Errand, ...] = ()
    answer: dict[str, Any] = field(default_factory=dict)


def decide(
    before: Upload, command: Command, actor: Actor | None, at_ms: int, *, limits: Limits, open_uploads: int
) -> Judgement:
    """Judge a command; `open_uploads` is how many unfinished ones its sender has."""
    if actor is None:
        return Judgement("refused", "forbidden", before)
    if isinstance(command, RequestUpload):
        return _request(before, command, actor, at_ms, limits, open_uploads)
    if isinstance(before, Unknown):
        return Judgement("refused", "video_not_found", before)
    match command:
        case CompleteUpload():
            return _complete(before, actor)
        case WithdrawVideo():
            return _withdraw(before, command, actor)
        case _ if not actor.is_system:
            return Judgement("refused", "forbidden", before)
        case ExpireUpload():
            return _fail(before, *EXPIRED) if isinstance(before, Awaited) else Judgement("no_op", "not_open", before)
        case _ if not isinstance(before, InWork):
            return Judgement("no_op", "not_in_work", before)
        case RecordUnfit():
            return _fail(before, command.code, command.reason)
        case _:
            return _record(before, command)


def _request(
    before: Upload, command: RequestUpload, actor: Actor, at_ms: int, limits: Limits, open_uploads: int
) -> Judgement:
    if not isinstance(before, Unknown):
        return Judgement("refused", "video_exists", before)
    film = command.purpose == "film"
    if actor.is_system or not permitted(actor.roles, "create_auctions" if film else "view_profile"):
        return Judgement("refused", "not_allowed", before)
    largest = limits.film_bytes if film else limits.picture_bytes
    if command.size > largest:
        return Judgement("refused", "too_large", before, answer={"maximum": largest})
    if open_uploads >= limits.open_uploads:
        return Judgement("refused", "too_many_uploads", before, answer={"maximum": limits.open_uploads})
    facts = Facts(
        id=command.video_id,
        owner_id=UUID(actor.id),
        purpose=command.purpose,
        filename=command.filename,
        content_type=command.content_type,
        size=command.size,
        checksum=command.checksum,
        upload_id=command.upload_id,
        auction_id=command.auction_id,
        requested_ms=at_ms,
        expires_ms=at_ms + limits.open_ms,
    )
    answer = {
        "id": str(facts.id),
        "purpose": facts.purpose,
        "contentType": facts.content_type,
        "size": facts.size,
        "uploadId": facts.upload_id,
        "partBytes": limits.part_bytes,
        "openUntil": print_time(facts.expires_ms),
    }
    return Judgement(
        "accepted",
        "upload_requested",
        Awaited(facts),
        (telling.requested(facts),),
        (Errand("watch"),),
        answer,
    )


def _complete(before: Awaited | InWork | Ready | Failed | Withdrawn, actor: Actor) -> Judgement:
    facts = before.facts
    if not (actor.is_system or actor.id == str(facts.owner_id)):
        return Judgement("refused", "video_not_found", before)
    match before:
        case Awaited():
            follows = Errand("inspect" if facts.is_film else "picture")
            return Judgement("accepted", "processing", InWork(facts), (telling.uploaded(facts),), (follows,))
        case InWork() | Ready():
            return Judgement("no_op", "already_uploaded", before)
        case Failed():
            return Judgement("refused", "upload_failed", before, answer={"detail": before.reason})
        case Withdrawn():
            return Judgement("refused", "video_withdrawn", before)


def _withdraw(before: Awaited | InWork | Ready | Failed | Withdrawn, command: WithdrawVideo, actor: Actor) -> Judgement:
    owner = actor.id == str(before.facts.owner_id)
    if not (owner or actor.is_admin or actor.is_system):
        return Judgement("refused", "video_not_found", before)
    if isinstance(before, Withdrawn):
        return Judgement("no_op", "already_withdrawn", before)
    by: Literal["owner", "admin", "system"] = "owner" if owner else "system" if actor.is_system else "admin"
    told = telling.withdrawn(before.facts, by, command.reason)
    return Judgement("accepted", "withdrawn", Withdrawn(before.facts), (told,), (Errand("withdraw"),))


def _fail(before: Awaited | InWork, code: str, reason: str) -> Judgement:
    told = telling.failed(before.facts, code, reason)
    return Judgement("accepted", "failed", Failed(before.facts, code, reason), (told,), (Errand("quarantine"),))


def _record(before: InWork, command: Command) -> Judgement:
    facts, work = before.facts, before.work
    match command:
        case RecordPicture() if not facts.is_film:
            sizes = tuple(command.sizes)
            follows = (Errand("tidy"), *([Errand("retire")] if facts.purpose == "avatar" else []))
            ready = Ready(facts, sizes=sizes)
            return Judgement("accepted", "ready", ready, (telling.picture_ready(facts, sizes),), follows)
        case RecordInspected() if facts.is_film:
            return _inspected(before, command) if work is None else Judgement("no_op", "already_inspected", before)
        case RecordEncoded() if work is not None:
            return _encoded(before, work, command.task)
        case RecordPublished() if work is not None:
            return _published(before, work, command)
        case _:
            return Judgement("refused", "out_of_order", before)


def _inspected(before: InWork, command: RecordInspected) -> Judgement:
    work = Work(
        tasks=tuple(command.tasks),
        playable_after=frozenset(command.playable_after),
        done=frozenset(),
        duration_ms=command.duration_ms,
        width=command.width,
        height=command.height,
    )
    errands = tuple(Errand("encode", task) for task in work.tasks)
    told = telling.progressed(before.facts, INSPECTED)
    return Judgement("accepted", "inspected", replace(before, work=work, progress=INSPECTED), (told,), errands)


def _encoded(before: InWork, work: Work, task: str) -> Judgement:
    if task not in work.tasks:
        return Judgement("refused", "unknown_task", before)
    if task in work.done:
        return Judgement("no_op", "already_encoded", before)
    after = replace(work, done=work.done | {task})
    errands = []
    if after.is_playable and not work.is_playable and not after.is_complete:
        errands.append(Errand("publish-lowest"))
    if after.is_complete:
        errands.append(Errand("publish"))
    progress = round(INSPECTED + (1 - INSPECTED) * len(after.done) / len(after.tasks), 3)
    if progress - before.progress < TOLD_EVERY or after.is_complete:
        return Judgement("accepted", "encoded", replace(before, work=after), (), tuple(errands))
    told = telling.progressed(before.facts, progress)
    return Judgement("accepted", "encoded", replace(before, work=after, progress=progress), (told,), tuple(errands))


def _published(before: InWork, work: Work, command: RecordPublished) -> Judgement:
    renditions = tuple(command.renditions)
    if command.complete:
        ready = Ready(before.facts, work, renditions)
        told = telling.ready(before.facts, work.duration_ms, renditions)
        return Judgement("accepted", "ready", ready, (told,), (Errand("tidy"),))
    if before.renditions:
        return Judgement("no_op", "already_playable", before)
    playable = telling.playable(before.facts, work.duration_ms, renditions)
    return Judgement("accepted", "playable", replace(before, renditions=renditions), (playable,))
