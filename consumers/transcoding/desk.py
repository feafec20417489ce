"""The desk of video-commands: looks up what deciding needs, decides in order, says what is written, told and to be done."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from consumers.runtime import Database, Decision, Incoming, Job, Remembered, Verdict, enqueue, event
from consumers.transcoding import errands, store
from consumers.transcoding.decide import Judgement, Limits, decide
from consumers.transcoding.upload import InWork, Unknown, Upload
from schemas.envelope import print_time
from schemas.videos import RequestUpload


class VideoDesk:
    """Keeps nothing between two batches: every batch reads its uploads anew."""

    def __init__(self, limits: Limits, *, watch_s: float) -> None:
        """Take the limits, and how soon an open upload is looked after."""
        self._limits = limits
        self._watch_s = watch_s

    async def decide(self, batch: Sequence[Incoming], earlier: Mapping[UUID, Remembered], db: Database) -> Verdict:
        """Decide a batch in its order."""
        now = await store.uploads(db, {incoming.aggregate for incoming in batch})
        askers = {asker for one in batch if (asker := _asker(one)) is not None}
        open_uploads = await store.open_uploads(db, askers)
        changed: dict[UUID, tuple[Any, ...]] = {}
        jobs: list[Job] = []
        decisions = []
        for incoming in batch:
            upload, sequence = now.get(incoming.aggregate, (Unknown(), 0))
            judgement = self._judge(incoming, earlier, upload, open_uploads)
            decisions.append(_decision(incoming, judgement, sequence))
            after, sequence = judgement.after, sequence + len(judgement.told)
            if judgement.outcome != "accepted" or isinstance(after, Unknown):
                continue
            now[incoming.aggregate] = (after, sequence)
            changed[incoming.aggregate] = store.upload_row(after, sequence)
            jobs += self._jobs(incoming, judgement)
            if (asker := _asker(incoming)) is not None:
                open_uploads[asker] = open_uploads.get(asker, 0) + 1
        return Verdict(decisions, enqueue(*jobs), list(changed.values()))

    def _judge(
        self, incoming: Incoming, earlier: Mapping[UUID, Remembered], upload: Upload, open_uploads: dict[UUID, int]
    ) -> Judgement:
        if incoming.id in earlier:
            return Judgement("refused", "idempotency_conflict", upload)
        if incoming.body.video_id != incoming.aggregate:
            return Judgement("refused", "wrong_key", upload)
        asker = _asker(incoming)
        if isinstance(incoming.body, RequestUpload) and asker is None:
            return Judgement("refused", "forbidden", upload)
        opened = 0 if asker is None else open_uploads.get(asker, 0)
        return decide(upload, incoming.body, incoming.actor, incoming.at_ms, limits=self._limits, open_uploads=opened)

    def _jobs(self, incoming: Incoming, judgement: Judgement) -> list[Job]:
        after = judgement.after
        first = after.work.playable_after if isinstance(after, InWork) and after.work is not None else frozenset()
        return [
            errands.job(
                errands.Payload(errand.step, incoming.aggregate, errand.task),
                delay_s=errands.delay_s(errand, place=place, playable=errand.task in first, watch_s=self._watch_s),
                correlation_id=incoming.correlation_id,
                trace=incoming.traceparent,
            )
            for place, errand in enumerate(judgement.errands)
        ]


def _asker(incoming: Incoming) -> UUID | None:
    """The person who wants to upload; None for other commands, and for whoever is no person."""
    if not isinstance(incoming.body, RequestUpload) or incoming.actor is None:
        return None
    try:
        return UUID(incoming.actor.id)
    except ValueError:
        return None


def _decision(incoming: Incoming, judgement: Judgement, sequence: int) -> Decision:
    at = print_time(incoming.at_ms)
    return Decision(
        incoming,
        judgement.outcome,
        judgement.code,
        answer=msgspec.json.encode({"code": judgement.code, "id": str(incoming.aggregate), **judgement.answer}),
        events=[
            event(
                type(told).__name__,
                aggregate=incoming.aggregate,
                sequence=number,
                at=at,
                data=told.model_dump_json(by_alias=True, exclude_none=True).encode(),
            )
            for number, told in enumerate(judgement.told, sequence + 1)
        ],
    )
