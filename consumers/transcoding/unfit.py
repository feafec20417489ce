"""Why a film or a picture is not taken: a stable code, and a sentence for the person who sent it."""

from typing import Final

REASONS: Final = {
    "empty": "The file is empty.",
    "not_a_film": "This is not a film that we know: please send an MP4, MOV or WebM file.",
    "playlist": "This is a list of addresses, not a film: please send the film itself.",
    "truncated": "The file ends too early: it was probably cut off while it was copied or recorded. Please send it again.",
    "foreign_content": "The file holds something else beside the film. Please export the film again and send that file.",
    "hostile_metadata": "The film's description holds program code. Please export the film without it and send it again.",
    "unreadable": "The file is damaged and cannot be read as a film.",
    "damaged": "The picture of this film is damaged and cannot be shown. Please export it again.",
    "no_picture": "There is no moving picture in this file.",
    "unsupported_picture": "The picture is coded in a way that we do not take: please send H.264, HEVC, VP8, VP9 or AV1.",
    "unsupported_sound": "The sound is coded in a way that we do not take: please send AAC, MP3, Opus or Vorbis.",
    "encrypted": "The film is locked by copy protection and cannot be opened.",
    "no_duration": "The film has no length.",
    "too_long": "The film is too long.",
    "too_many_bytes": "The file is too large.",
    "too_large_picture": "The picture has more pixels than we can take: please send it in 4K or less.",
    "too_small_picture": "The picture is too small to be shown: at least 16 pixels each way are needed.",
    "too_many_streams": "The file holds too many tracks: please export it with one picture and one sound.",
    "too_many_frames": "The film has more pictures per second than we can take.",
    "too_costly": "It took too long to read this film. Please export it again in a usual format.",
    "moving_picture": "Moving pictures are not taken here: please send a still one.",
    "not_a_picture": "This is not a picture that we know: please send a JPEG, PNG or WebP file.",
}


class Unfit(Exception):
    """The file can never become a film or picture of ours; `code` is stable, `reason` is for its owner."""

    def __init__(self, code: str, detail: str = "") -> None:
        """Take a code of REASONS; `detail` is for operators, and is shown to nobody else."""
        self.code = code
        self.reason = REASONS[code]
        self.detail = detail
        super().__init__(f"{code}: {detail}" if detail else code)
