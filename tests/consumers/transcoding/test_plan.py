"""Plans, from facts alone: what is made of which film."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from consumers.transcoding.film import Film, Sound
from consumers.transcoding.plan import SOUND, Plan, Task, plan

pytestmark = pytest.mark.quick

SOUNDING = Sound(stream=1, codec="aac", channels=2, rate_hz=48_000)


def a_film(**other: object) -> Film:
    """A minute of Full HD with a keyframe each second."""
    facts: dict[str, object] = {
        "container": "mp4",
        "size_bytes": 10_000_000,
        "stream": 0,
        "codec": "h264",
        "width": 1920,
        "height": 1080,
        "coded_width": 1920,
        "coded_height": 1080,
        "rate_num": 30,
        "rate_den": 1,
        "start_s": 0.0,
        "duration_s": 60.0,
        "keyframes_s": tuple(float(at) for at in range(60)),
        "light": "sdr",
        "matrix": "bt709",
        "full_range": False,
        "sound": SOUNDING,
    }
    return msgspec.convert(msgspec.to_builtins({**facts, **other}), type=Film)


@pytest.mark.parametrize(
    ("size", "rungs"),
    [
        ((1920, 1080), ["640x360", "854x480", "1280x720", "1920x1080"]),
        ((3840, 2160), ["640x360", "854x480", "1280x720", "1920x1080"]),
        ((1080, 1920), ["360x640", "480x854", "720x1280", "1080x1920"]),
        ((1280, 720), ["640x360", "854x480", "1280x720"]),
        ((1440, 1080), ["480x360", "640x480", "960x720", "1440x1080"]),
        ((1280, 544), ["640x272", "854x362", "1280x544"]),
        ((3840, 1080), ["640x180", "854x240", "1280x360", "1920x540"]),
        ((860, 484), ["640x360", "852x480"]),
        ((640, 360), ["640x360"]),
        ((660, 372), ["638x360"]),
        ((320, 241), ["320x240"]),
        ((17, 3001), ["4x640", "4x854", "8x1280", "10x1920"]),
    ],
)
def test_the_ladder_fits_the_film_and_never_enlarges_it(size: tuple[int, int], rungs: list[str]) -> None:
    made = plan(a_film(width=size[0], height=size[1]))

    assert [f"{rung.width}x{rung.height}" for rung in made.rungs] == rungs


def test_rungs_are_named_as_people_ask_for_them() -> None:
    assert [rung.name for rung in plan(a_film()).rungs] == ["360p", "480p", "720p", "1080p"]


def test_segments_begin_at_keyframes_of_the_source_about_four_seconds_apart() -> None:
    made = plan(a_film(keyframes_s=tuple(round(n * 0.9, 6) for n in range(66))))

    starts = [made.start_s(segment) for segment in made.segments]
    assert starts[:4] == [0, 3.6, 7.2, 10.8]


def test_where_keyframes_are_rare_a_task_spans_from_one_to_the_next() -> None:
    made = plan(a_film(keyframes_s=(0.0, 8.4, 16.8, 25.2, 33.6, 42.0, 50.4, 58.8)))

    rest = [task for task in made.tasks if task.name.startswith("rest")]
    assert [made.start_s(made.of(task)[0]) for task in rest][:4] == [0, 8.4, 16.8, 25.2]
    assert all(made.duration_s(segment) <= 6.5 for segment in made.segments)


def test_the_sound_and_the_lowest_rung_come_first_and_suffice_to_play() -> None:
    made = plan(a_film())

    first, others = made.tasks[:9], made.tasks[9:]
    assert made.playable_after() == {task.name for task in first}
    assert {task.rungs for task in first} == {(SOUND,), ("360p",)}
    assert {task.rungs for task in others} == {("480p", "720p", "1080p")}


def test_a_film_of_one_rung_is_playable_when_it_is_ready() -> None:
    made = plan(a_film(width=320, height=180, sound=None))

    assert made.playable_after() == {task.name for task in made.tasks}


@given(
    width=some.integers(16, 8192),
    height=some.integers(16, 4320),
    rate=some.sampled_from([(10, 1), (24_000, 1001), (25, 1), (30_000, 1001), (60, 1), (997, 21)]),
    duration_s=some.floats(0.001, 600, allow_nan=False),
    keyframes=some.lists(some.floats(0, 600), max_size=60),
    sound=some.sampled_from([None, SOUNDING]),
)
def test_every_plan_covers_every_frame_of_every_rung_exactly_once(
    width: int,
    height: int,
    rate: tuple[int, int],
    duration_s: float,
    keyframes: list[float],
    sound: Sound | None,
) -> None:
    film = a_film(
        width=width,
        height=height,
        rate_num=rate[0],
        rate_den=rate[1],
        duration_s=duration_s,
        keyframes_s=tuple(sorted({0.0, *(at for at in keyframes if at < duration_s)})),
        sound=sound,
    )

    made = plan(film)

    check_rungs(made, film)
    frames = [frame for s in made.segments for frame in (s.first_frame, s.first_frame + s.frames)]
    assert (frames[0], frames[-1]) == (0, film.frames)
    assert frames[1:-1:2] == frames[2:-1:2]
    assert all(segment.frames > 0 for segment in made.segments)
    assert all(made.duration_s(segment) <= 7.6 for segment in made.segments)
    for rung in made.rungs:
        assert covered([task for task in made.tasks if rung.name in task.rungs]) == list(range(len(made.segments)))
    assert len({task.name for task in made.tasks}) == len(made.tasks)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Plan) == made


def check_rungs(made: Plan, film: Film) -> None:
    """None is larger than the film, none is odd, and each is larger than the one below."""
    assert 1 <= len(made.rungs) <= 4
    for rung in made.rungs:
        assert rung.width % 2 == rung.height % 2 == 0
        assert (rung.width, rung.height) >= (2, 2)
        assert rung.width <= film.width
        assert rung.height <= film.height
    sizes = [rung.width * rung.height for rung in made.rungs]
    assert sizes == sorted(set(sizes))


def covered(tasks: list[Task]) -> list[int]:
    """The segments that tasks encode, in their order."""
    return [n for task in tasks for n in range(task.first_segment, task.first_segment + task.segments)]


def test_the_same_facts_give_the_same_plan_however_they_were_kept() -> None:
    film = a_film()

    assert plan(msgspec.json.decode(msgspec.json.encode(film), type=Film)) == plan(film)
