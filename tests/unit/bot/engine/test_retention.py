"""What is removed when, and what stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from bot.store import tasks
from tests.support.commands import Commands


async def test_old_videos_images_and_prompts_are_removed(commands: Commands) -> None:
    """After their retention; the task and its numbers stay."""
    from bot.engine.retention import purge_expired

    task = await commands.accept_task()
    await commands.harness.run_for(60)
    await commands.harness.clock.advance(29 * 86400)
    await purge_expired(commands.harness.engine)
    assert (await commands.harness.task(task)).file is not None
    await commands.harness.clock.advance(2 * 86400)
    await purge_expired(commands.harness.engine)
    found = await commands.harness.task(task)
    assert (found.file, found.order.prompt) == (None, "a red kite")
    assert list((commands.harness.folder / "results").glob("*")) == []
    await commands.harness.clock.advance(60 * 86400)
    await purge_expired(commands.harness.engine)
    assert (await commands.harness.task(task)).order.prompt == ""
    assert await commands.harness.database.read(lambda tx: tasks.get(tx, task.id)) is not None


async def test_image_is_kept_for_its_own_time(commands: Commands, tmp_path: Path) -> None:
    """The video stays for its own."""
    from bot.engine.retention import purge_expired

    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    limits = replace(commands.harness.engine.limits, picture_retention_s=86400.0)
    commands.harness.engine = replace(commands.harness.engine, limits=limits)
    task = await commands.accept_task(f"/video --image {photo} a kite")
    await commands.harness.run_for(60)
    await commands.harness.clock.advance(2 * 86400)
    await purge_expired(commands.harness.engine)
    found = await commands.harness.task(task)
    assert found.order.image == ""
    assert commands.harness.engine.storage.result_path(found.file or "").is_file()
    assert "pictures for" in (await commands.send("/privacy")).text
