"""Remove all files of a task: local ones, transcoded ones and published copies."""

from __future__ import annotations

import structlog

from bot.media.fit import Fitter
from bot.media.publish import Publisher, PublishError
from bot.media.spool import Spool
from bot.model import Task

_log = structlog.get_logger(__name__)


async def remove_files(
    task: Task, spool: Spool, fitter: Fitter | None, publisher: Publisher | None
) -> None:
    """Remove image and result of a task, their transcoded variants and published copies."""
    await spool.remove_of(task)
    if fitter is not None and task.file is not None:
        await fitter.forget(task.file)
    if publisher is None:
        return
    for file_name in filter(None, (task.order.image, task.file)):
        try:
            await publisher.withdraw(file_name)
        except PublishError as error:
            # The copy is deleted anyway when its link expires.
            _log.warning("media_revoke_failed", task=task.id, error=str(error))
