"""Pictures: people's avatars and the pictures of auctions, sent as films are and shown by the CDN to everybody."""

from typing import Annotated
from uuid import UUID

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from edge_api import auction_views, uploads
from edge_api.asked import json_response
from edge_api.asking import Sender, ask
from edge_api.auth import From
from edge_api.bodies import written
from edge_api.edge import edge_of
from edge_api.people_views import time_text
from edge_api.problems import Problem
from edge_api.routing import AuctionId, SignedIn, need, router, says
from edge_api.shapes import Done
from edge_api.upload_shapes import AuctionPictures, Invitation, Picture, UploadStanding
from schemas.videos import CompleteUpload, PictureUpload, Purpose, RequestUpload, WithdrawVideo

routes = router("pictures")

PictureId = Annotated[UUID, Path(description="The picture's id.")]
REFUSES = ("not_allowed", "too_large", "too_many_uploads", "video_exists")

AVATARS = """
    SELECT picture_id FROM transcoding.picture_view WHERE owner_id = $1 AND purpose = 'avatar' ORDER BY requested_at DESC
"""
OF_AUCTION = """
    SELECT picture_id, sizes::text AS sizes, requested_at
      FROM transcoding.picture_view WHERE auction_id = $1 AND owner_id = $2 ORDER BY requested_at, picture_id LIMIT 100
"""


@routes.post(
    "/users/me/avatar",
    **says("Upload an avatar", Invitation, status=201, body=True, command=True, refuses=REFUSES),
)
async def avatar(request: Request, _: SignedIn, body: PictureUpload, sender: From) -> Response:
    """Says where to send it; when it was sent, `POST /pictures/{id}/complete`. The profile shows it once it is ready."""
    return await _invite(request, sender, body, "avatar", None)


@routes.delete("/users/me/avatar", **says("Remove the avatar", Done, command=True, refuses=("picture_not_found",)))
async def remove_avatar(request: Request, caller: SignedIn, sender: From) -> Response:
    """The profile shows none any more."""
    row = await edge_of(request).row(AVATARS, caller.user_id)
    if row is None:
        raise Problem(*uploads.NO_PICTURE)
    command = WithdrawVideo(video_id=row["picture_id"])
    return await ask(request, sender, "WithdrawVideo", row["picture_id"], written(command))


@routes.post(
    "/auctions/{auction_id}/pictures",
    **says(
        "Add a picture to an auction",
        Invitation,
        status=201,
        body=True,
        command=True,
        refuses=(*REFUSES, "auction_not_found"),
    ),
)
async def add(request: Request, auction_id: AuctionId, caller: SignedIn, body: PictureUpload, sender: From) -> Response:
    """Says where to send it. Only its seller's pictures are shown with an auction."""
    need(caller, "create_auctions")
    auction = await auction_views.one(edge_of(request), auction_id)
    if auction is None:
        raise Problem("auction_not_found", "There is no such auction.")
    if auction["seller_id"] != caller.user_id:
        raise Problem("not_allowed", "The auction is somebody else's.")
    return await _invite(request, sender, body, "auction", auction_id)


@routes.get(
    "/auctions/{auction_id}/pictures",
    **says("Pictures of an auction", AuctionPictures, signed_in=False, refuses=("auction_not_found",)),
)
async def of_auction(request: Request, auction_id: AuctionId) -> Response:
    """In the order in which they were added, each in a few sizes."""
    edge = edge_of(request)
    auction = await auction_views.one(edge, auction_id)
    if auction is None or auction["status"] == "draft":
        raise Problem("auction_not_found", "There is no such auction.")
    rows = await edge.rows(OF_AUCTION, auction_id, auction["seller_id"])
    items = [
        {
            "id": str(row["picture_id"]),
            "sizes": uploads.picture_urls(edge, row["picture_id"], row["sizes"]),
            "createdAt": time_text(row["requested_at"]),
        }
        for row in rows
    ]
    return json_response({"items": items})


@routes.get("/pictures/{picture_id}", **says("How a picture is", Picture, refuses=("picture_not_found",)))
async def picture(request: Request, picture_id: PictureId, caller: SignedIn) -> Response:
    """For its owner and admins: uploading, processing, ready with the addresses of its sizes, or failed and why."""
    edge = edge_of(request)
    row = await uploads.own(edge, picture_id, caller, film=False)
    said = {
        "id": str(row["id"]),
        "status": row["status"],
        "purpose": row["purpose"],
        "sizes": uploads.picture_urls(edge, row["id"], row["sizes"]) if row["status"] == "ready" else [],
        "failure": None if row["code"] is None else {"code": row["code"], "reason": row["reason"]},
        "createdAt": time_text(row["requested_at"]),
    }
    return json_response(said)


@routes.get(
    "/pictures/{picture_id}/upload",
    **says("Go on with a picture's upload", UploadStanding, refuses=("picture_not_found", "upload_closed")),
)
async def going_on(request: Request, picture_id: PictureId, caller: SignedIn) -> Response:
    """A fresh address, for an upload that was interrupted or took too long."""
    return await uploads.standing(request, await uploads.own(edge_of(request), picture_id, caller, film=False))


@routes.post(
    "/pictures/{picture_id}/complete",
    **says(
        "Say that the picture was sent",
        Done,
        command=True,
        refuses=("picture_not_found", "video_not_found", "upload_incomplete", "upload_failed", "video_withdrawn"),
    ),
)
async def complete(request: Request, picture_id: PictureId, caller: SignedIn, sender: From) -> Response:
    """The picture is checked, freed of metadata, and scaled to a few sizes."""
    edge = edge_of(request)
    row = await uploads.own(edge, picture_id, caller, film=False)
    if row["status"] == "uploading":
        await uploads.need_whole(edge, row)
    return await ask(request, sender, "CompleteUpload", picture_id, written(CompleteUpload(video_id=picture_id)))


@routes.delete(
    "/pictures/{picture_id}",
    **says("Remove a picture", Done, command=True, refuses=("picture_not_found", "video_not_found")),
)
async def delete(request: Request, picture_id: PictureId, caller: SignedIn, sender: From) -> Response:
    """By its owner or an admin; it is shown no more."""
    await uploads.own(edge_of(request), picture_id, caller, film=False)
    return await ask(request, sender, "WithdrawVideo", picture_id, written(WithdrawVideo(video_id=picture_id)))


async def _invite(
    request: Request, sender: Sender, body: PictureUpload, purpose: Purpose, auction_id: UUID | None
) -> Response:
    picture_id = sender.new_id("picture")
    command = RequestUpload(
        video_id=picture_id,
        purpose=purpose,
        filename=body.filename,
        content_type=body.content_type,
        size=body.size,
        checksum=body.checksum,
        auction_id=auction_id,
    )
    return await ask(request, sender, "RequestUpload", picture_id, written(command))
