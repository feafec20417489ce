"""Films of sellers: /videos/*. The bytes go from the browser or phone to S3 and never pass here."""

from typing import Annotated
from uuid import UUID

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from edge_api import paging, uploads
from edge_api.asked import json_response
from edge_api.asking import Sender, ask
from edge_api.auth import From
from edge_api.bodies import written
from edge_api.edge import Edge, edge_of
from edge_api.problems import Problem
from edge_api.routing import LIMIT, Cursor, Limit, SignedIn, need, router, says
from edge_api.shapes import Done
from edge_api.upload_shapes import Invitation, UploadStanding, Video, Videos
from schemas.videos import CompleteUpload, FilmUpload, RequestUpload, Withdrawal, WithdrawVideo

routes = router("videos")

VideoId = Annotated[UUID, Path(description="The video's id.")]


@routes.post(
    "/videos/upload",
    **says(
        "Upload a film",
        Invitation,
        status=201,
        body=True,
        command=True,
        refuses=("not_allowed", "too_large", "too_many_uploads", "video_exists"),
    ),
)
async def upload(request: Request, caller: SignedIn, body: FilmUpload, sender: From) -> Response:
    """Says where to send it: a form (`url`, `fields`) for one request, or addresses of `parts` for a large film. Role seller."""
    need(caller, "create_auctions")
    edge = edge_of(request)
    video_id = sender.new_id("video")
    opened = await _opened(edge, video_id, body, sender)
    command = RequestUpload(
        video_id=video_id,
        purpose="film",
        filename=body.filename,
        content_type=body.content_type,
        size=body.size,
        checksum=body.checksum,
        upload_id=opened,
    )
    try:
        return await ask(request, sender, "RequestUpload", video_id, written(command), asked_for=written(body))
    except Problem:
        if opened is not None and not sender.repeatable:
            await edge.storage.abandon(uploads.key_of(video_id), opened)
        raise


async def _opened(edge: Edge, video_id: UUID, body: FilmUpload, sender: Sender) -> str | None:
    """S3's id of an upload in parts, where the film needs one; the same one when the request is repeated."""
    if not edge.settings.video_multipart_bytes < body.size <= edge.settings.video_bytes_max:
        return None
    if sender.repeatable and (known := await uploads.one(edge, video_id)) is not None:
        before: str | None = known["upload_id"]
        return before
    return await edge.storage.open_parts(uploads.key_of(video_id), content_type=body.content_type)


@routes.get("/videos", **says("Own films", Videos))
async def own_films(request: Request, caller: SignedIn, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """The latest first, without those withdrawn."""
    place = paging.read_place(cursor)
    rows = await uploads.films_of(edge_of(request), caller.user_id, before=place, limit=limit + 1)
    shown = [uploads.shown(row) for row in rows]
    return json_response(
        paging.page(rows, limit, shown, lambda row: paging.write_place(row["requested_at"], row["id"]))
    )


@routes.get("/videos/{video_id}", **says("How a film is", Video, refuses=("video_not_found",)))
async def video(request: Request, video_id: VideoId, caller: SignedIn) -> Response:
    """For its owner and admins: uploading, processing with its progress, ready, or failed and why."""
    return json_response(uploads.shown(await uploads.own(edge_of(request), video_id, caller, film=True)))


@routes.get(
    "/videos/{video_id}/upload",
    **says("Go on with an upload", UploadStanding, refuses=("video_not_found", "upload_closed")),
)
async def going_on(request: Request, video_id: VideoId, caller: SignedIn) -> Response:
    """What has arrived, and fresh addresses for what has not: for an upload that was interrupted or took too long."""
    return await uploads.standing(request, await uploads.own(edge_of(request), video_id, caller, film=True))


@routes.post(
    "/videos/{video_id}/complete",
    **says(
        "Say that all was sent",
        Done,
        command=True,
        refuses=("video_not_found", "upload_incomplete", "upload_failed", "video_withdrawn"),
    ),
)
async def complete(request: Request, video_id: VideoId, caller: SignedIn, sender: From) -> Response:
    """The work on the film begins. Who forgets it is not lost: finished uploads are found."""
    edge = edge_of(request)
    row = await uploads.own(edge, video_id, caller, film=True)
    if row["status"] == "uploading":
        await uploads.need_whole(edge, row)
    return await ask(request, sender, "CompleteUpload", video_id, written(CompleteUpload(video_id=video_id)))


@routes.delete("/videos/{video_id}", **says("Withdraw a film", Done, command=True, refuses=("video_not_found",)))
async def delete(request: Request, video_id: VideoId, _: SignedIn, sender: From) -> Response:
    """Its playback ends within a minute, everywhere; it cannot be undone."""
    return await ask(request, sender, "WithdrawVideo", video_id, written(WithdrawVideo(video_id=video_id)))


@routes.post(
    "/videos/{video_id}/withdraw",
    **says("Withdraw a film (admin)", Done, body=True, command=True, refuses=("not_allowed", "video_not_found")),
)
async def withdraw(request: Request, video_id: VideoId, caller: SignedIn, body: Withdrawal, sender: From) -> Response:
    """Moderation: as its owner's withdrawal, with a reason."""
    need(caller, "withdraw_videos")
    command = WithdrawVideo(video_id=video_id, reason=body.reason)
    return await ask(request, sender, "WithdrawVideo", video_id, written(command))
