"""The commands that make videos: `/video`, `/remix` and `/retry`; and quotes for drafts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from bot.catalog.models import Defaults, Model, Offer
from bot.credits import ledger
from bot.domain.commands import (
    MakeVideo,
    Remix,
    Reply,
    Request,
    Retry,
)
from bot.domain.errors import Refusal
from bot.domain.tasks import ACTIVE, Fit, Order, Place, State, Task
from bot.domain.users import Person
from bot.media import images
from bot.media.storage import DiskFull, KeptPicture
from bot.presentation.i18n import say
from bot.presentation.task_messages import accepted_text
from bot.services import accept_task
from bot.services.accept_task import Accepted, Draft
from bot.services.context import Call, Desk, _call, own_task
from bot.store.database import DatabaseError, Tx
from bot.store.users import PersonRow
from providers.types import Orientation

_log = structlog.get_logger(__name__)


async def make_video(call: Call, command: MakeVideo) -> Reply:
    """`/video`: validate, prepare the picture, hold the credits, write the task."""
    seen = await images.look(command.image) if command.image else None
    order, price = await _completed(call, command, seen.orientation if seen else None)
    _check_fit(command, order)
    task_id, note = accept_task.new_task_id(), ""
    if command.image:
        kept = await _keep_picture(call, command.image, task_id, order, command.fit)
        order, note = replace(order, image=kept.file), _cut_text(call, kept)
    draft = Draft(task_id, call.person, call.request.place, call.public, order, price)
    return await _accept(call, draft, note)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request would order at what price, and which models are available."""

    order: Order
    price: int
    free: int
    """Credits that the user can spend."""
    model: Model
    models: tuple[Model, ...]
    """Models that can be requested now."""


async def quote(call: Call, command: MakeVideo, picture: Orientation | None) -> Quote:
    """Validate a request without accepting it. Raises `Refusal`.

    `command.image` says only whether there is a picture; `picture` is the picture's orientation.
    """
    desk = call.desk
    order, price = await _completed(call, command, picture)
    service = await desk.service()
    models = tuple(desk.catalog.models(call.now, service.serves))
    model = next((one for one in models if one.name == order.model), None)
    if model is None:
        model = desk.catalog.find(order.model, call.now)
    balance = await desk.database.read(
        lambda tx: ledger.balance(tx, call.person, desk.rules, call.now)
    )
    return Quote(order, price, balance.free, model, models)


def _check_fit(command: MakeVideo, order: Order) -> None:
    """Raise `Refusal` where `--fit` would have no effect."""
    if command.fit is None:
        return
    if command.image is None:
        raise Refusal("fit-without-image", fit=command.fit)
    if order.width is None or order.height is None:
        raise Refusal("fit-not-possible", model=order.model)


async def _completed(
    call: Call, command: MakeVideo, picture: Orientation | None
) -> tuple[Order, int]:
    """Return (order, price) by what the providers can make now."""
    desk, defaults = call.desk, _defaults(call.row)
    service = await desk.service()

    def reached(offer: Offer) -> bool:
        return service.serves(offer) and desk.takes_pictures(offer.provider)

    if command.image is None:
        return desk.catalog.complete(command, defaults, call.now, picture, service.serves)
    try:
        return desk.catalog.complete(command, defaults, call.now, picture, reached)
    except Refusal as refused:
        if refused.sentence not in {"model-off", "models-none"}:
            raise
        # If the order is possible, the only obstacle is sending the picture to the provider.
        order, _ = desk.catalog.complete(command, defaults, call.now, picture, service.serves)
        raise Refusal("image-needs-link", model=order.model) from None


async def _keep_picture(
    call: Call, source: Path, name: str, order: Order, fit: Fit | None
) -> KeptPicture:
    size = (order.width, order.height)
    try:
        return await call.desk.spool.keep_picture(source, name, *size, fit or "crop")
    except DiskFull as error:
        _log.warning("picture_rejected_disk_full", error=str(error))
        raise Refusal("disk-full") from None


def _cut_text(call: Call, kept: KeptPicture) -> str:
    """Say how much of the picture was cropped; empty if it was little."""
    if kept.cropped_percent < images.MUCH_CUT:
        return ""
    return say(call.public, "picture-cut", cut=round(kept.cropped_percent))


async def _accept(call: Call, draft: Draft, note: str = "") -> Reply:
    """Write the task and reply. If it is refused or a duplicate, its picture is deleted."""
    desk = call.desk
    update = call.request.update
    key = f"{call.request.place.front_end}:{update}" if update else None
    try:
        draft = _in_group(call, replace(draft, update_key=key))
        accepted = await desk.database.transact(lambda tx: _take_in(tx, call, draft))
    except DatabaseError:
        # The transaction may have been committed although the response was lost.
        found = await desk.database.read(lambda tx: _if_taken_in(tx, call, draft))
        if found is None:
            raise
        accepted = found
    except Refusal:
        await _drop_picture(call, draft)
        raise
    if not accepted.fresh:
        await _drop_picture(call, draft)
    desk.wake()
    text = "\n".join(part for part in (_accepted_text(call, accepted), note) if part)
    return Reply(text, task=accepted.task)


def _in_group(call: Call, draft: Draft) -> Draft:
    """Apply the group's settings: allowed channels, spoiler, paying wallet. Raises `Refusal`."""
    group, there = call.group, call.request.whereabouts
    if group is None or there is None:
        return draft
    if group.channels and group.channels.isdisjoint(there.channels):
        channels = ", ".join(f"<#{one}>" for one in sorted(group.channels))
        raise Refusal("channel-not-allowed", all=channels)
    order = draft.order
    if order.spoiler is None and group.spoiler:
        order = replace(order, spoiler=True)
    return replace(draft, order=order, wallet=group.wallet, share=group.share(there.roles))


def _take_in(tx: Tx, call: Call, draft: Draft) -> Accepted:
    most = call.desk.settings.max_active_per_user
    return accept_task.accept(tx, draft, call.desk.rules, most, call.now)


def _if_taken_in(tx: Tx, call: Call, draft: Draft) -> Accepted | None:
    return accept_task.found(tx, draft, call.desk.rules, call.now)


async def _drop_picture(call: Call, draft: Draft) -> None:
    if draft.order.image:
        await call.desk.spool.remove_picture(draft.order.image)


def _accepted_text(call: Call, accepted: Accepted) -> str:
    view = call.outlook(accepted.task, accepted.line)
    free = None if call.request.watched else accepted.balance.free
    return accepted_text(call.public, accepted.task, view, free, shared=accepted.shared)


def _defaults(row: PersonRow) -> Defaults:
    return Defaults(model=row.model, orientation=row.orientation, seconds=row.seconds)


async def remix(call: Call, command: Remix) -> Reply:
    """`/remix`: make a changed version of a video, at the provider of the original."""
    original = await own_task(call, command.task)
    model = call.desk.catalog.find(original.order.model, call.now)
    if original.remote_id is None or original.finished_at is None:
        raise Refusal("remix-not-finished", task=original.id)
    name = _where_it_can_be_changed(call.desk, original)
    service = await call.desk.service()
    wish = MakeVideo(
        prompt=command.prompt,
        model=model.name,
        seconds=original.order.seconds,
        size=original.order.size,
        orientation=original.order.orientation,
        spoiler=original.order.spoiler,
    )
    order, price = call.desk.catalog.complete(
        wish,
        Defaults(),
        call.now,
        None,
        lambda offer: offer.provider == name and service.serves(offer),
    )
    order = replace(order, remix_of=original.id)
    if not any(offer.provider == name for offer in call.desk.catalog.offers_for(order)):
        raise Refusal("remix-not-possible", task=original.id)
    draft = Draft(
        accept_task.new_task_id(),
        call.person,
        call.request.place,
        call.public,
        order,
        price,
        provider=name,
        provider_identity=original.provider_identity,
    )
    return await _accept(call, draft)


def can_remix(desk: Desk, original: Task) -> bool:
    """Whether the provider of a video probably accepts a remix of it."""
    try:
        _where_it_can_be_changed(desk, original)
    except Refusal:
        return False
    return original.remote_id is not None and original.finished_at is not None


def _where_it_can_be_changed(desk: Desk, original: Task) -> str:
    """Return the provider of a video, if it can remix such a video. Raises `Refusal`."""
    found = desk.account_of(original)
    if found is None or not found[1].capabilities.remix:
        raise Refusal("remix-not-possible", task=original.id)
    name, able = found[0], found[1].capabilities
    if original.order.private and not able.remix_private:
        raise Refusal("remix-private", task=original.id)
    if able.edit_id and original.edit_id is None:
        raise Refusal("remix-not-this-one", task=original.id)
    return name


async def retry(call: Call, command: Retry) -> Reply:
    """`/retry`: order the same video again, at the current price."""
    task = await own_task(call, command.task)
    posted = command.seen and task.state is State.DELIVERING
    if task.state in ACTIVE and not posted:
        raise Refusal("retry-still-active", task=task.id)
    prompt = command.prompt or task.order.prompt
    if not prompt:
        raise Refusal("prompt-forgotten", task=task.id)
    if task.order.remix_of:
        return await remix(call, Remix(task.order.remix_of, prompt))
    return await make_video(call, _again(call, task, prompt))


def _again(call: Call, task: Task, prompt: str) -> MakeVideo:
    order = task.order
    image = call.desk.spool.path(order.image) if order.image else None
    if order.image == "" or (image is not None and not image.is_file()):
        # Without its picture it would be a different video.
        raise Refusal("picture-forgotten", task=task.id)
    return MakeVideo(
        prompt=prompt,
        model=order.model,
        seconds=order.seconds,
        orientation=order.orientation,
        size=order.size,
        style=order.style,
        watermark=order.watermark,
        private=order.private,
        storyboard=order.storyboard,
        spoiler=order.spoiler,
        image=image,
    )


async def quoted(
    person: Person, place: Place, wish: MakeVideo, desk: Desk, picture: Orientation | None = None
) -> Quote:
    """Return what `/video` would order now, and at what price. Raises `Refusal`."""
    return await quote(await _call(Request(person, place, wish), desk), wish, picture)
