"""What becomes of uploads, as values."""

from typing import Any
from uuid import UUID

import pytest

from consumers.transcoding.decide import Command, Errand
from consumers.transcoding.store import upload_row
from consumers.transcoding.upload import Awaited, Failed, InWork, Ready, Unknown, Upload, Withdrawn
from schemas.envelope import Actor
from schemas.videos import (
    CompleteUpload,
    ExpireUpload,
    PictureReady,
    RecordUnfit,
    VideoFailed,
    VideoPlayable,
    VideoProcessingProgressed,
    VideoReady,
    VideoUploaded,
    VideoUploadRequested,
    VideoWithdrawn,
    WithdrawVideo,
)
from tests.consumers.transcoding.uploading import (
    ADMIN,
    BEN,
    FILM,
    MINA,
    RUNNER,
    TASKS,
    awaited,
    encoded,
    encoding,
    in_work,
    inspected,
    judge,
    published,
    ready,
    request,
    scaled,
)

pytestmark = pytest.mark.quick

COMPLETE = CompleteUpload(video_id=FILM)
WITHDRAW = WithdrawVideo(video_id=FILM)
UNFIT = RecordUnfit(video_id=FILM, code="truncated", reason="The file ends too early.")


def test_a_seller_may_upload_a_film_and_somebody_looks_after_it() -> None:
    judgement = judge(Unknown(), request(), MINA)

    assert isinstance(judgement.after, Awaited)
    assert [type(told) for told in judgement.told] == [VideoUploadRequested]
    assert judgement.errands == (Errand("watch"),)
    assert judgement.answer["partBytes"] == 400


@pytest.mark.parametrize(
    ("command", "by", "open_uploads", "reason"),
    [
        (request(), BEN, 0, "not_allowed"),
        (request(), RUNNER, 0, "not_allowed"),
        (request(), None, 0, "forbidden"),
        (request(size=1_001), MINA, 0, "too_large"),
        (request(purpose="avatar", size=101), BEN, 0, "too_large"),
        (request(), MINA, 2, "too_many_uploads"),
    ],
)
def test_what_may_not_be_uploaded_is_refused_with_its_reason(
    command: Command, by: Actor | None, open_uploads: int, reason: str
) -> None:
    judgement = judge(Unknown(), command, by, open_uploads=open_uploads)

    assert (judgement.outcome, judgement.code, judgement.told) == ("refused", reason, ())


def test_everybody_may_have_an_avatar() -> None:
    assert judge(Unknown(), request(purpose="avatar", size=90), BEN).outcome == "accepted"


def test_a_film_that_is_asked_for_twice_under_one_id_is_refused() -> None:
    assert judge(awaited(), request(), MINA).code == "video_exists"


def test_a_finished_upload_is_worked_on_once_however_often_it_is_reported() -> None:
    first = judge(awaited(), COMPLETE, MINA)
    again = judge(first.after, COMPLETE, RUNNER)

    assert [type(told) for told in first.told] == [VideoUploaded]
    assert first.errands == (Errand("inspect"),)
    assert (again.outcome, again.code, again.errands) == ("no_op", "already_uploaded", ())


@pytest.mark.parametrize("command", [COMPLETE, WITHDRAW])
def test_a_strangers_upload_is_not_there(command: Command) -> None:
    for before in (awaited(), in_work(), ready(), Unknown()):
        judgement = judge(before, command, BEN)

        assert (judgement.outcome, judgement.code) == ("refused", "video_not_found")


@pytest.mark.parametrize(
    "command",
    [inspected(), encoded("sound"), published(complete=True), scaled(), UNFIT, ExpireUpload(video_id=FILM)],
    ids=lambda command: type(command).__name__,
)
@pytest.mark.parametrize("by", [MINA, ADMIN])
def test_only_a_runner_says_what_was_made_of_a_film(command: Command, by: Actor) -> None:
    assert judge(encoding(), command, by).code == "forbidden"


def test_every_task_of_an_inspected_film_becomes_a_job() -> None:
    judgement = judge(in_work(), inspected())

    assert judgement.errands == tuple(Errand("encode", task) for task in TASKS)
    assert judge(judgement.after, inspected()).code == "already_inspected"


def test_the_lowest_rung_is_published_as_soon_as_it_is_there_and_all_at_the_end() -> None:
    playable = judge(encoding("sound"), encoded("360p-0"))
    later = judge(playable.after, encoded("stills"))
    complete = judge(later.after, encoded("720p-0"))

    assert playable.errands == (Errand("publish-lowest"),)
    assert later.errands == ()
    assert complete.errands == (Errand("publish"),)


def test_a_task_counts_once_and_a_strange_one_never() -> None:
    assert judge(encoding("sound"), encoded("sound")).outcome == "no_op"
    assert judge(encoding("sound"), encoded("8k-0")).code == "unknown_task"


def test_a_film_is_playable_once_and_ready_once() -> None:
    playable = judge(encoding("sound", "360p-0"), published(complete=False))
    again = judge(playable.after, published(complete=False))
    done = judge(encoding(*TASKS), published(complete=True))
    later = judge(done.after, published(complete=True))

    assert [type(told) for told in playable.told] == [VideoPlayable]
    assert again.told == ()
    [told] = done.told
    assert isinstance(told, VideoReady)
    assert [one.name for one in told.renditions] == ["360p", "720p"]
    assert (later.outcome, later.told) == ("no_op", ())


def test_a_late_lowest_rung_does_not_take_a_ready_film_back() -> None:
    judgement = judge(ready(), published(complete=False))

    assert (judgement.outcome, judgement.after) == ("no_op", ready())


def test_progress_grows_is_told_in_steps_and_never_says_done_before_it_is() -> None:
    tasks = [f"360p-{number}" for number in range(100)]
    upload: Upload = judge(in_work(), inspected(tasks=tasks, playable_after=tasks)).after
    told: list[float] = []
    for task in tasks:
        judgement = judge(upload, encoded(task))
        told += [one.progress for one in judgement.told if isinstance(one, VideoProcessingProgressed)]
        upload = judgement.after

    assert told == sorted(set(told))
    assert 15 <= len(told) <= 20
    assert told[-1] < 1


def test_a_bad_film_fails_with_a_reason_and_is_put_aside() -> None:
    judgement = judge(in_work(), UNFIT)

    assert isinstance(judgement.after, Failed)
    [told] = judgement.told
    assert isinstance(told, VideoFailed)
    assert (told.code, told.reason) == ("truncated", "The file ends too early.")
    assert judgement.errands == (Errand("quarantine"),)
    assert judge(judgement.after, COMPLETE, MINA).code == "upload_failed"


@pytest.mark.parametrize(
    "before", [awaited(), in_work(), encoding("sound"), ready()], ids=lambda one: type(one).__name__
)
@pytest.mark.parametrize(("by", "name"), [(MINA, "owner"), (ADMIN, "admin"), (RUNNER, "system")])
def test_a_film_can_be_withdrawn_at_any_time_and_nothing_brings_it_back(before: Upload, by: Actor, name: str) -> None:
    judgement = judge(before, WITHDRAW, by)

    assert isinstance(judgement.after, Withdrawn)
    [told] = judgement.told
    assert isinstance(told, VideoWithdrawn)
    assert told.by == name
    assert judgement.errands == (Errand("withdraw"),)
    assert judge(judgement.after, WITHDRAW, MINA).code == "already_withdrawn"
    assert judge(judgement.after, COMPLETE, MINA).code == "video_withdrawn"
    for late in (inspected(), encoded("sound"), published(complete=True), UNFIT):
        assert judge(judgement.after, late).outcome == "no_op"


def test_an_upload_expires_only_while_it_is_open() -> None:
    expired = judge(awaited(), ExpireUpload(video_id=FILM))

    assert isinstance(expired.after, Failed)
    assert expired.after.code == "upload_expired"
    assert judge(in_work(), ExpireUpload(video_id=FILM)).outcome == "no_op"


def test_a_picture_is_ready_with_its_sizes_and_a_new_avatar_retires_the_old() -> None:
    before = in_work(purpose="avatar", size=90, content_type="image/png")

    judgement = judge(before, scaled())

    [told] = judgement.told
    assert isinstance(told, PictureReady)
    assert (told.purpose, told.owner_id, told.sizes[0].width) == ("avatar", UUID(MINA.id), 64)
    assert judgement.errands == (Errand("tidy"), Errand("retire"))
    assert judge(before, inspected()).code == "out_of_order"
    assert judge(in_work(), scaled()).code == "out_of_order"


@pytest.mark.parametrize(
    ("upload", "status"),
    [
        (awaited(), "uploading"),
        (in_work(), "processing"),
        (encoding("sound", "360p-0"), "processing"),
        (ready(), "ready"),
        (judge(in_work(), UNFIT).after, "failed"),
        (judge(ready(), WITHDRAW).after, "withdrawn"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_each_state_has_its_name_in_the_table(upload: Any, status: str) -> None:
    assert isinstance(upload, Awaited | InWork | Ready | Failed | Withdrawn)
    assert status in upload_row(upload, 7)
