"""The SQL of a worker that is changed is applied again, over what the version before left: it must bear that."""

from pathlib import Path

import asyncpg
import pytest

from compose.settings import Settings
from consumers import runtime
from consumers.runtime.migrate import sql_files

pytestmark = pytest.mark.stack

CONSUMERS = Path(runtime.__file__).parents[1]
WORKERS = sorted({path.parent.name for path in CONSUMERS.glob("*/*.sql")} - {"runtime"})


@pytest.mark.parametrize("worker", WORKERS)
async def test_every_file_that_may_change_can_be_applied_over_itself(stack: Settings, worker: str) -> None:
    changeable = [path for _, path in sql_files(CONSUMERS / worker) if not path.name[:4].isdecimal()]
    connection = await asyncpg.connect(stack.database_url(worker), server_settings={"search_path": worker})
    applying = connection.transaction()
    await applying.start()
    try:
        for path in changeable:
            await connection.execute(path.read_text())
    finally:
        await applying.rollback()
        await connection.close()

    assert len(changeable) >= 2
