"""The argument lists with which ffmpeg makes segments, built with ffmpeg-python. Pure."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import ffmpeg

from consumers.transcoding.film import Container, Film
from consumers.transcoding.plan import Rung, Segment

PRESET: Final = "fast"
CRF: Final = 23
ERROR_SHARE_MAX: Final = 0.25
"""A film of whose frames more cannot be decoded is damaged; fewer are covered by the frame before."""
_ENTER_LATE_S: Final = 0.14
"""ffmpeg enters a film with reordered frames 3/23 s before the asked moment: so much later is asked for."""
_DEMUXERS: Final[dict[Container, str]] = {"mp4": "mov", "matroska": "matroska"}
_QUIET: Final = ("-nostdin", "-y", "-v", "error", "-hide_banner")
_KEPT_MATRICES: Final = frozenset({"bt709", "smpte170m", "bt470bg", "unknown"})
_HD_FROM: Final = 720


def fenced(container: Container, *, beside: str = "") -> dict[str, Any]:
    """The options of every reading of a source: local files, known demuxers and decoders only (SECURITY: ffmpeg).

    `beside` names more decoders, for what may lie beside the picture and is never shown.
    """
    return {
        "protocol_whitelist": "file",
        "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
        "codec_whitelist": f"h264,hevc,vp8,vp9,libdav1d,av1,aac,mp3,mp3float,opus,vorbis{beside}",
        "max_pixels": 35_389_440,
        "max_streams": 8,
        "f": _DEMUXERS[container],
    }


def command(graph: Any, *options: str) -> list[str]:
    """ffmpeg's arguments for a graph of ffmpeg-python, with what every run of ours gets."""
    return [*_QUIET, *options, "-filter_complex_threads", "1", *graph.get_args()]


def clock(rate: Fraction) -> tuple[int, int]:
    """A track's ticks per second, and ticks per frame: whole numbers for every frame rate."""
    factor = 1 if rate.numerator >= 10_000 else 1000
    return rate.numerator * factor, rate.denominator * factor


def picture_arguments(
    source: Path, files: Mapping[str, Path], *, film: Film, rungs: Sequence[Rung], segments: Sequence[Segment]
) -> list[str]:
    """Decode consecutive segments once and encode each rung into its file; a rung is scaled from the one above it."""
    picture = _frames(source, film, first_frame=segments[0].first_frame)
    outputs = []
    above = list(reversed(rungs))
    for rung in above:
        picture = fitted(picture, film, rung.width, rung.height) if rung is above[0] else _scaled(picture, rung)
        mine = picture
        if rung is not above[-1]:
            both = picture.filter_multi_output("split")
            mine, picture = both[0], both[1]
        outputs.append(ffmpeg.output(mine, f"file:{files[rung.name]}", **encoding(rung, film, segments)))
    return command(ffmpeg.merge_outputs(*outputs), "-copyts", "-max_error_rate", str(ERROR_SHARE_MAX))


def _frames(source: Path, film: Film, *, first_frame: int) -> Any:
    """Frames at the made rate from the first of a segment on, for as long as they are asked for."""
    starts_s = float(first_frame / film.frame_rate)
    read = ffmpeg.input(f"file:{source}", **_entry(film, starts_s), threads=1, **fenced(film.container))
    return (
        read[str(film.stream)]
        .filter("setpts", f"PTS-{film.start_s:.6f}/TB")
        .filter("fps", fps=f"{film.rate_num}/{film.rate_den}", start_time=f"{starts_s:.9f}")
        # A source with gaps, or that ends early, still fills its segments: the last frame stands.
        .filter("tpad", stop=-1, stop_mode="clone")
        .filter("setpts", "N")
    )


def _entry(film: Film, starts_s: float) -> dict[str, Any]:
    """Where the source is entered: at the last keyframe that is shown no later than the first frame wanted."""
    half_frame_s = float(1 / film.frame_rate / 2)
    earlier = [at for at in film.keyframes_s if at <= starts_s + half_frame_s]
    at_s = earlier[-1] if earlier else 0.0
    if at_s <= 0:
        return {}
    later = film.keyframes_s[len(earlier)] if len(earlier) < len(film.keyframes_s) else film.duration_s
    # Where keyframes are close, entering one of them too early costs less than missing one.
    late_s = _ENTER_LATE_S if later - at_s > 4 * _ENTER_LATE_S else 0.0
    return {"seek_timestamp": 1, "noaccurate_seek": None, "ss": f"{film.start_s + at_s + late_s:.6f}"}


def fitted(picture: Any, film: Film, width: int, height: int) -> Any:
    """Scaled to a size, in 8 bits of BT.709 or BT.601 and with square pixels."""
    matrix = {} if film.matrix in _KEPT_MATRICES or not _is_plain(film) else {"out_color_matrix": "bt709"}
    picture = picture.filter("scale", width, height, flags="bicubic", out_range="tv", **matrix)
    if film.light != "sdr":
        picture = _toned(picture, film)
    elif not _is_plain(film):
        picture = picture.filter("zscale", pin="2020", tin="709", min="2020_ncl", p="709", t="709", m="709", r="tv")
    return picture.filter("format", "yuv420p").filter("setsar", 1)


def _is_plain(film: Film) -> bool:
    return film.light == "sdr" and not film.matrix.startswith("bt2020")


def _toned(picture: Any, film: Film) -> Any:
    """HDR brought to SDR: linear light, BT.709 primaries, highlights rolled off."""
    curve = "smpte2084" if film.light == "pq" else "arib-std-b67"
    return (
        picture.filter("zscale", tin=curve, min="2020_ncl", pin="2020", t="linear", npl=100)
        .filter("format", "gbrpf32le")
        .filter("zscale", p="709")
        .filter("tonemap", "hable", desat=0)
        .filter("zscale", t="709", m="709", r="tv")
    )


def _scaled(picture: Any, rung: Rung) -> Any:
    return picture.filter("scale", rung.width, rung.height, flags="bicubic").filter("setsar", 1)


def encoding(rung: Rung, film: Film, segments: Sequence[Segment], *, preset: str = PRESET) -> dict[str, Any]:
    """Options of one output: H.264 High, one thread, a closed group of pictures per segment, fragmented MP4."""
    starts = [segment.first_frame - segments[0].first_frame for segment in segments]
    colours = "bt709" if _is_hd(film) else "smpte170m"
    return {
        "frames:v": sum(segment.frames for segment in segments),
        "c:v": "libx264",
        "preset": preset,
        "profile:v": "high",
        "crf": CRF,
        "maxrate": rung.bits_per_s_max,
        "bufsize": 2 * rung.bits_per_s_max,
        "threads": 1,
        # Keyframes stand only where segments start: elsewhere a new scene gets intra blocks, not a point to enter.
        "x264-params": "keyint=infinite:min-keyint=100000",
        "forced-idr": 1,
        "force_key_frames": "expr:" + "+".join(f"eq(n,{start})" for start in starts),
        "colorspace": colours,
        "color_primaries": colours,
        "color_trc": colours,
        "color_range": "tv",
        "fps_mode": "passthrough",
        "video_track_timescale": clock(film.frame_rate)[0],
        **fragmented(),
        "movflags": "+delay_moov+default_base_moof+frag_keyframe+skip_trailer",
        "bsf:v": "filter_units=remove_types=6",
        "flags:v": "+bitexact",
    }


def fragmented() -> dict[str, Any]:
    """A fragmented MP4 without any word of the source or of the encoder in it."""
    return {"f": "mp4", "map_metadata": -1, "map_chapters": -1, "fflags": "+bitexact"}


def _is_hd(film: Film) -> bool:
    if not _is_plain(film) or film.matrix not in _KEPT_MATRICES:
        return True
    return film.matrix == "bt709" or (film.matrix == "unknown" and film.coded_height >= _HD_FROM)
