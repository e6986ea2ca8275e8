"""`/forgetme`: what is removed, and what stays."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bot.services.account import set_handle
from bot.services.queries import user_id_by_handle
from tests.support.commands import ME, Commands


async def test_forgetme_removes_user_data_and_keeps_the_ledger(
    commands: Commands, tmp_path: Path
) -> None:
    """No prompt, image, video or setting is left; the ledger is unchanged."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    task = await commands.accept_task(f"/video --image {photo} a secret wish")
    await commands.harness.run_for(60)
    await commands.send("/settings duration 8")
    running = await commands.accept_task("/video another secret")
    asked = await commands.send("/forgetme")
    assert "/forgetme yes" in asked.text
    assert (await commands.harness.task(task)).order.prompt == "a secret wish"
    spent = await commands.harness.spent(ME.id)
    done = await commands.send("/forgetme yes")
    assert "still under way" in done.text
    found = await commands.harness.task(task)
    assert (found.order.prompt, found.order.image, found.file) == ("", "", None)
    left = {path.name for path in commands.harness.folder.rglob("*") if path.is_file()}
    assert not {task.order.image, f"{task.id}.mp4"} & left
    assert await commands.harness.spent(ME.id) == spent
    assert "not set" in (await commands.send("/settings")).text
    assert (await commands.harness.task(running)).order.prompt == "another secret"
    assert not (await commands.send(f"/retry {task.id}")).ok


async def test_forgetme_removes_the_user_name_as_well(commands: Commands) -> None:
    """Nobody is found by the user name any more, only by the id."""
    await set_handle(commands.app, ME.id, "Wren")
    front_end = ME.id.partition(":")[0]
    assert await user_id_by_handle(commands.app, front_end, "wren") == ME.id
    await commands.send("/forgetme yes")
    assert await user_id_by_handle(commands.app, front_end, "wren") is None
