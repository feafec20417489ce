"""How a runner says what came of a job: as a command to this worker's own topic, with the same id each time."""

import uuid
from uuid import UUID

from consumers.runtime import Claimed, OutCommand
from schemas.envelope import Wire
from schemas.registry import BY_NAME


def command(job: Claimed, said: Wire) -> OutCommand:
    """The command `said` (which has a `video_id`), as following from a job."""
    message = BY_NAME[type(said).__name__]
    video_id: UUID = said.video_id  # type: ignore[attr-defined]
    return OutCommand(
        topic=message.topic,
        aggregate=video_id,
        id=uuid.uuid5(job.id, f"{message.name}:{video_id}"),
        type=message.name,
        ce_type=message.ce_type,
        schema=message.schema,
        data=said.model_dump_json(by_alias=True, exclude_none=True).encode(),
    )
