"""The commands that make videos: `/video`, `/remix` and `/retry`; and quotes for drafts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from bot.catalog.models import Model, Offer, UserDefaults
from bot.credits import ledger
from bot.domain.commands import CommandRequest, MakeVideo, Remix, Reply, Retry
from bot.domain.errors import Refusal
from bot.domain.tasks import ACTIVE, Destination, Fit, Order, State, Task
from bot.domain.users import User
from bot.media import images
from bot.media.storage import DiskFull, StoredImage
from bot.presentation.i18n import translate
from bot.presentation.task_messages import accepted_text
from bot.services import accept_task
from bot.services.accept_task import AcceptedTask, NewTask
from bot.services.context import AppContext, RequestContext, get_own_task, resolve_context
from bot.store.database import DatabaseError, Tx
from bot.store.users import UserRow
from providers.types import Orientation

_log = structlog.get_logger(__name__)


async def make_video(context: RequestContext, command: MakeVideo) -> Reply:
    """`/video`: validate, prepare the image, hold the credits, write the task."""
    image_info = await images.inspect_image(command.image) if command.image else None
    order, price = await _build_order(
        context, command, image_info.orientation if image_info else None
    )
    _check_fit(command, order)
    task_id, notice = accept_task.new_task_id(), ""
    if command.image:
        stored = await _store_image(context, command.image, task_id, order, command.fit)
        order, notice = replace(order, image=stored.file_name), _crop_notice(context, stored)
    new_task = NewTask(
        task_id, context.user_id, context.request.destination, context.public_language, order, price
    )
    return await _accept_task(context, new_task, notice)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request would order at what price, and which models are available."""

    order: Order
    price: int
    available_credits: int
    """Credits that the user can spend."""
    model: Model
    available_models: tuple[Model, ...]
    """Models that can be requested now."""


async def _quote(
    context: RequestContext, command: MakeVideo, image_orientation: Orientation | None
) -> Quote:
    """Validate a request without accepting it. Raises `Refusal`.

    `command.image` says only whether there is an image; its orientation is `image_orientation`.
    """
    app = context.app
    order, price = await _build_order(context, command, image_orientation)
    availability = await app.provider_availability()
    models = tuple(app.catalog.available_models(context.now, availability.can_serve))
    model = next((candidate for candidate in models if candidate.name == order.model), None)
    if model is None:
        model = app.catalog.find(order.model, context.now)
    balance = await app.database.read(
        lambda tx: ledger.balance(tx, context.user_id, app.credit_rules, context.now)
    )
    return Quote(order, price, balance.available, model, models)


def _check_fit(command: MakeVideo, order: Order) -> None:
    """Raise `Refusal` where `--fit` would have no effect."""
    if command.fit is None:
        return
    if command.image is None:
        raise Refusal("fit-without-image", fit=command.fit)
    if order.width is None or order.height is None:
        raise Refusal("fit-not-possible", model=order.model)


async def _build_order(
    context: RequestContext, command: MakeVideo, image_orientation: Orientation | None
) -> tuple[Order, int]:
    """Return (order, price) by what the providers can make now."""
    app, defaults = context.app, _user_defaults(context.user_row)
    availability = await app.provider_availability()

    def can_receive_image(offer: Offer) -> bool:
        return availability.can_serve(offer) and app.accepts_images(offer.provider)

    if command.image is None:
        return app.catalog.build_order(
            command, defaults, context.now, image_orientation, availability.can_serve
        )
    try:
        return app.catalog.build_order(
            command, defaults, context.now, image_orientation, can_receive_image
        )
    except Refusal as error:
        if error.text_key not in {"model-off", "models-none"}:
            raise
        # If the order is possible, the only obstacle is sending the image to the provider.
        order, _ = app.catalog.build_order(
            command, defaults, context.now, image_orientation, availability.can_serve
        )
        raise Refusal("image-needs-link", model=order.model) from None


async def _store_image(
    context: RequestContext, source: Path, task_id: str, order: Order, fit: Fit | None
) -> StoredImage:
    size = (order.width, order.height)
    try:
        return await context.app.storage.store_image(source, task_id, *size, fit or "crop")
    except DiskFull as error:
        _log.warning("image_rejected_disk_full", error=str(error))
        raise Refusal("disk-full") from None


def _crop_notice(context: RequestContext, stored: StoredImage) -> str:
    """Say how much of the image was cropped; empty if it was little."""
    if stored.cropped_percent < images.CROP_WARNING_PERCENT:
        return ""
    return translate(context.public_language, "picture-cut", cut=round(stored.cropped_percent))


async def _accept_task(context: RequestContext, new_task: NewTask, notice: str = "") -> Reply:
    """Write the task and reply. If it is refused or a duplicate, its image is deleted."""
    app = context.app
    update_id = context.request.update_id
    update_key = f"{context.request.destination.front_end}:{update_id}" if update_id else None
    try:
        new_task = _apply_group_settings(context, replace(new_task, update_key=update_key))
        accepted = await app.database.transact(lambda tx: _insert_task(tx, context, new_task))
    except DatabaseError:
        # The transaction may have been committed although the response was lost.
        existing = await app.database.read(lambda tx: _find_accepted(tx, context, new_task))
        if existing is None:
            raise
        accepted = existing
    except Refusal:
        await _remove_image(context, new_task)
        raise
    if not accepted.is_new:
        await _remove_image(context, new_task)
    app.wake_engine()
    text = "\n".join(part for part in (_acceptance_text(context, accepted), notice) if part)
    return Reply(text, task=accepted.task)


def _apply_group_settings(context: RequestContext, new_task: NewTask) -> NewTask:
    """Apply the group's settings: allowed channels, spoiler, paying wallet. Raises `Refusal`."""
    group, group_context = context.group, context.request.group_context
    if group is None or group_context is None:
        return new_task
    if group.allowed_channels and group.allowed_channels.isdisjoint(group_context.channel_ids):
        channels = ", ".join(f"<#{channel}>" for channel in sorted(group.allowed_channels))
        raise Refusal("channel-not-allowed", all=channels)
    order = new_task.order
    if order.spoiler is None and group.spoiler:
        order = replace(order, spoiler=True)
    return replace(
        new_task,
        order=order,
        wallet_id=group.wallet_id,
        wallet_allowance=group.role_allowance(group_context.role_ids),
    )


def _insert_task(tx: Tx, context: RequestContext, new_task: NewTask) -> AcceptedTask:
    max_active = context.app.settings.max_active_per_user
    return accept_task.accept_task(tx, new_task, context.app.credit_rules, max_active, context.now)


def _find_accepted(tx: Tx, context: RequestContext, new_task: NewTask) -> AcceptedTask | None:
    return accept_task.find_accepted(tx, new_task, context.app.credit_rules, context.now)


async def _remove_image(context: RequestContext, new_task: NewTask) -> None:
    if new_task.order.image:
        await context.app.storage.remove_image(new_task.order.image)


def _acceptance_text(context: RequestContext, accepted: AcceptedTask) -> str:
    eta = context.estimate_eta(accepted.task, accepted.tasks_ahead)
    available_credits = None if context.request.is_public else accepted.balance.available
    return accepted_text(
        context.public_language,
        accepted.task,
        eta,
        available_credits,
        paid_by_group=accepted.paid_by_group,
    )


def _user_defaults(user_row: UserRow) -> UserDefaults:
    return UserDefaults(
        model=user_row.model, orientation=user_row.orientation, seconds=user_row.seconds
    )


async def remix_video(context: RequestContext, command: Remix) -> Reply:
    """`/remix`: make a changed version of a video, at the provider of the original."""
    original = await get_own_task(context, command.task_id)
    model = context.app.catalog.find(original.order.model, context.now)
    if original.remote_id is None or original.finished_at is None:
        raise Refusal("remix-not-finished", task=original.id)
    provider = _remix_provider(context.app, original)
    availability = await context.app.provider_availability()
    video_command = MakeVideo(
        prompt=command.prompt,
        model=model.name,
        seconds=original.order.seconds,
        size=original.order.size,
        orientation=original.order.orientation,
        spoiler=original.order.spoiler,
    )
    order, price = context.app.catalog.build_order(
        video_command,
        UserDefaults(),
        context.now,
        None,
        lambda offer: offer.provider == provider and availability.can_serve(offer),
    )
    order = replace(order, remix_of=original.id)
    if not any(offer.provider == provider for offer in context.app.catalog.offers_for(order)):
        raise Refusal("remix-not-possible", task=original.id)
    new_task = NewTask(
        accept_task.new_task_id(),
        context.user_id,
        context.request.destination,
        context.public_language,
        order,
        price,
        provider=provider,
        provider_identity=original.provider_identity,
    )
    return await _accept_task(context, new_task)


def can_remix(app: AppContext, original: Task) -> bool:
    """Whether the provider of a video probably accepts a remix of it."""
    try:
        _remix_provider(app, original)
    except Refusal:
        return False
    return original.remote_id is not None and original.finished_at is not None


def _remix_provider(app: AppContext, original: Task) -> str:
    """Return the provider of a video, if it can remix such a video. Raises `Refusal`."""
    provider = app.provider_of(original)
    if provider is None or not provider[1].capabilities.remix:
        raise Refusal("remix-not-possible", task=original.id)
    name, capabilities = provider[0], provider[1].capabilities
    if original.order.private and not capabilities.remix_private:
        raise Refusal("remix-private", task=original.id)
    if capabilities.remix_by_edit_id and original.edit_id is None:
        raise Refusal("remix-not-this-one", task=original.id)
    return name


async def retry_task(context: RequestContext, command: Retry) -> Reply:
    """`/retry`: order the same video again, at the current price."""
    task = await get_own_task(context, command.task_id)
    is_posted = command.video_seen and task.state is State.DELIVERING
    if task.state in ACTIVE and not is_posted:
        raise Refusal("retry-still-active", task=task.id)
    prompt = command.prompt or task.order.prompt
    if not prompt:
        raise Refusal("prompt-forgotten", task=task.id)
    if task.order.remix_of:
        return await remix_video(context, Remix(task.order.remix_of, prompt))
    return await make_video(context, _repeat_command(context, task, prompt))


def _repeat_command(context: RequestContext, task: Task, prompt: str) -> MakeVideo:
    order = task.order
    image = context.app.storage.image_path(order.image) if order.image else None
    if order.image == "" or (image is not None and not image.is_file()):
        # Without its image it would be a different video.
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


async def quote_video(
    user: User,
    destination: Destination,
    command: MakeVideo,
    app: AppContext,
    image_orientation: Orientation | None = None,
) -> Quote:
    """Return what `/video` would order now, and at what price. Raises `Refusal`."""
    return await _quote(
        await resolve_context(CommandRequest(user, destination, command), app),
        command,
        image_orientation,
    )
