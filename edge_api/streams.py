"""Watching films: signed addresses for who may watch, and the playlists behind them, which only the CDN may ask for."""

import asyncio
import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from consumers.transcoding.package import Manifest, Track
from consumers.transcoding.plan import SOUND
from consumers.transcoding.playlists import master_playlist, media_playlist
from consumers.transcoding.stills import storyboard_vtt
from edge_api import film_views
from edge_api.asked import json_response
from edge_api.edge import Edge, edge_of
from edge_api.film_views import Film
from edge_api.problems import Problem
from edge_api.routing import MaybeSignedIn, router, says
from edge_api.shapes import Stream
from edge_api.tokens import CHALLENGE, Caller
from edge_api.viewing import begins_at, may_watch
from schemas.envelope import print_time

routes = router("videos")

PLAYLIST = "application/vnd.apple.mpegurl"
OF_ONE_VIEWER = {"Cache-Control": "private, no-store"}
WATERMARK = "watermark"
"""In place of an auction's id: a viewer's mark is the same on every film, and on no auction's page."""

VideoId = Annotated[UUID, Path(description="The film's id.")]
Quality = Literal["auto", "1080p", "720p", "480p", "360p"]


@routes.get(
    "/videos/{video_id}/stream",
    **says(
        "Where a film can be played",
        Stream,
        signed_in=None,
        refuses=(
            "video_not_found",
            "video_not_ready",
            "video_withdrawn",
            "quality_not_available",
            "too_many_marked",
            "login_required",
            "not_allowed",
        ),
    ),
)
async def stream(
    request: Request,
    video_id: VideoId,
    caller: MaybeSignedIn,
    quality: Annotated[Quality, Query(description="One rung, or all of them for the player to choose from.")] = "auto",
    expires: Annotated[int | None, Query(ge=10, le=21_600, description="Life of the addresses, seconds.")] = None,
    watermark: Annotated[
        Literal["none", "viewer"], Query(description="`viewer`: a rendition that bears the caller's own mark.")
    ] = "none",
) -> Response:
    """A signed address of an HLS playlist: for everybody while an auction shows the film, else for its owner and who won it."""
    edge = edge_of(request)
    film = await _known(edge, video_id)
    showings = await film_views.showings(edge, video_id)
    if not may_watch(film, showings, caller):
        raise _not_for(caller)
    made = _playable(film)
    _has(made, quality)
    viewer = await _mark_of(edge, video_id, caller) if watermark == "viewer" else None
    until_s = int(time.time()) + (expires or edge.settings.stream_s)
    began = begins_at(film, showings, datetime.now(UTC))
    about = {"until": until_s, "at": round(began.timestamp() * 1000)} | (
        {} if viewer is None else {"mark": str(viewer)}
    )
    return json_response(
        {
            "url": edge.cdn.signed(_play(video_id, f"{quality}/master.m3u8", about), until_s),
            "expiresAt": print_time(until_s * 1000),
            "qualities": [rung.name for rung in made.rungs],
            **_pictures(edge, film, until_s),
        }
    )


async def _known(edge: Edge, video_id: UUID) -> Film:
    film = await film_views.film(edge, video_id)
    if film is None:
        raise Problem("video_not_found", "There is no such video.")
    return film


def _not_for(caller: Caller | None) -> Problem:
    if caller is None:
        return Problem(
            "login_required", "No auction shows this video now: log in as its owner or winner.", headers=CHALLENGE
        )
    return Problem("not_allowed", "No auction shows this video now; its owner and its winner may watch it.")


def _playable(film: Film) -> Manifest:
    if film.status == "withdrawn":
        raise Problem("video_withdrawn", "The video was withdrawn.")
    if film.manifest is None:
        raise Problem("video_not_ready", film.reason or f"The video cannot be played yet: it is {film.status}.")
    return film.manifest


def _has(made: Manifest, quality: str) -> None:
    names = [rung.name for rung in made.rungs]
    if quality != "auto" and quality not in names:
        told = f"The video has no {quality}; it has {', '.join(names)}."
        raise Problem("quality_not_available", told, more={"qualities": names})


async def _mark_of(edge: Edge, video_id: UUID, caller: Caller | None) -> UUID:
    """The caller's mark; raises Problem 401, and 429 for one who has too many renditions already."""
    if caller is None:
        raise Problem("login_required", "A rendition with your mark needs your login.", headers=CHALLENGE)
    viewer = UUID(edge.pseudonym(WATERMARK, caller.user_id))
    by_viewer, by_all = await film_views.others_marked(edge, video_id, viewer)
    if by_viewer >= edge.settings.marked_per_viewer or by_all >= edge.settings.marked_in_all:
        raise Problem(
            "too_many_marked", "Too many marked renditions at once; try again later.", headers={"Retry-After": "600"}
        )
    return viewer


def _play(video_id: UUID, name: str, about: Mapping[str, object]) -> str:
    return f"/play/{video_id}/{name}?{urlencode(about)}"


def _pictures(edge: Edge, film: Film, until_s: int) -> dict[str, str | None]:
    if film.stills is None:
        return {"posterUrl": None, "storyboardUrl": None}
    poster = next((still.name for still in film.stills.pictures if still.role == "poster"), None)
    return {
        "posterUrl": poster and edge.cdn.signed(f"/videos/{film.id}/{poster}", until_s),
        "storyboardUrl": edge.cdn.signed(_play(film.id, "storyboard.vtt", {"until": until_s}), until_s),
    }


def from_cdn(request: Request) -> None:
    """Raise Problem 403 unless the CDN asks: it has verified the signature of the address, with all that its query says."""
    said = request.headers.get("X-Origin-Secret", "")
    if not hmac.compare_digest(said.encode(), edge_of(request).settings.origin_secret.encode()):
        raise Problem("not_allowed", "Playlists are served by the CDN.")


Until = Annotated[int, Query(ge=0, le=2**40)]
At = Annotated[int | None, Query(ge=0, le=2**52)]
Mark = Annotated[UUID | None, Query()]
BEHIND_THE_CDN: dict[str, Any] = {
    "include_in_schema": False,
    "response_class": Response,
    "dependencies": [Depends(from_cdn)],
}


async def _still_shown(edge: Edge, video_id: UUID, until_s: int) -> tuple[Film, Manifest]:
    if time.time() >= until_s:
        raise Problem("stream_expired", "The address is no longer good; ask for another.")
    film = await _known(edge, video_id)
    return film, _playable(film)


@routes.get("/play/{video_id}/{quality}/master.m3u8", **BEHIND_THE_CDN)
async def master(
    request: Request, video_id: UUID, quality: Quality, until: Until, at: At = None, mark: Mark = None
) -> Response:
    """The master playlist for one viewer: the rungs that there are by now, each under an address of its own signature."""
    edge = edge_of(request)
    _, made = await _still_shown(edge, video_id, until)
    _has(made, quality)
    about = {"until": until} | ({} if at is None else {"at": at}) | ({} if mark is None else {"mark": str(mark)})

    def address(track: str) -> str:
        return edge.cdn.signed(_play(video_id, f"{track}/media.m3u8", about), until)

    rungs = {rung.name: address(rung.name) for rung in made.rungs if quality in ("auto", rung.name)}
    text = master_playlist(made, addresses=rungs, sound_address=address(SOUND) if made.sound else None)
    return Response(text, headers=OF_ONE_VIEWER, media_type=PLAYLIST)


@routes.get("/play/{video_id}/{name}/media.m3u8", **BEHIND_THE_CDN)
async def media(
    request: Request, video_id: UUID, name: str, until: Until, at: At = None, mark: Mark = None
) -> Response:
    """The playlist of one rung or of the sound; with a mark the rung's segments are the viewer's own."""
    edge = edge_of(request)
    _, made = await _still_shown(edge, video_id, until)
    track = next((one for one in (*made.rungs, made.sound) if one is not None and one.name == name), None)
    if track is None:
        raise Problem("quality_not_available", "The video has no such rung.")
    addresses = await asyncio.to_thread(_addresses, edge, video_id, track, until, mark)
    text = media_playlist(made, track, address=addresses, starts_at_ms=at)
    return Response(text, headers=OF_ONE_VIEWER, media_type=PLAYLIST)


def _addresses(edge: Edge, video_id: UUID, track: Track, until_s: int, mark: UUID | None) -> dict[str, str]:
    """Addresses of a track's pieces by their names."""
    folder = f"/videos/{video_id}"
    names = [track.init, *(part.name for part in track.parts)]
    if mark is None:
        below = edge.cdn.signed_below(folder, until_s)
        return {name: below(name) for name in names}
    if track.name == SOUND:
        # One by one: what covered all of the film's folder would cover its pictures without the mark.
        return {name: edge.cdn.signed(f"{folder}/{name}", until_s) for name in names}
    below = edge.cdn.signed_below(f"/marked/{video_id}/{mark}", until_s)
    own = ["init.mp4", *(f"{number}.m4s" for number in range(len(track.parts)))]
    return {name: below(f"{track.name}/{file}") for name, file in zip(names, own, strict=True)}


@routes.get("/play/{video_id}/storyboard.vtt", **BEHIND_THE_CDN)
async def storyboard(request: Request, video_id: UUID, until: Until) -> Response:
    """Which part of which sheet shows which moment of the film (WebVTT with media fragments)."""
    edge = edge_of(request)
    film, _ = await _still_shown(edge, video_id, until)
    if film.stills is None:
        raise Problem("video_not_ready", "There is no storyboard yet.")
    sheets = {tile.sheet for tile in film.stills.tiles}
    addresses = {name: edge.cdn.signed(f"/videos/{video_id}/{name}", until) for name in sheets}
    text = storyboard_vtt(film.stills, address=addresses)
    return Response(text, headers=OF_ONE_VIEWER, media_type="text/vtt")
