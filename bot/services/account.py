"""Commands about a user's account: quota, settings, language, privacy, help."""

from __future__ import annotations

from collections.abc import Mapping

from bot.credits import ledger
from bot.domain.commands import (
    ChangeLanguage,
    ChangeSettings,
    ForgetMe,
    Help,
    ListModels,
    Reply,
    ShowPrivacy,
    ShowQuota,
    Start,
)
from bot.domain.errors import Refusal
from bot.domain.tasks import Task
from bot.domain.users import Balance
from bot.presentation.help_messages import help_text, models_text
from bot.presentation.i18n import LANGUAGES, translate
from bot.services.context import AppContext, RequestContext
from bot.services.groups import wallet_summary
from bot.store import accounts, interactive_messages, retention, tasks, users
from bot.store.database import Tx
from bot.store.users import UserRow


async def set_handle(app: AppContext, user_id: str, handle: str | None) -> None:
    """Store the current handle of a user."""
    user_row = await app.database.read(lambda tx: users.get(tx, user_id))
    if user_row.handle != (handle.lower() if handle else None):
        now = app.clock.now()
        await app.database.transact(lambda tx: users.set_handle(tx, user_id, handle, now))


# --- credits, models, settings -----------------------------------------------------------


async def show_quota(context: RequestContext, _command: ShowQuota) -> Reply:
    """`/quota`: show available and held credits, the next refill, and the limits."""

    def read(tx: Tx) -> tuple[Balance, int, str]:
        return (
            ledger.balance(tx, context.user_id, context.app.credit_rules, context.now),
            tasks.count_active(tx, context.user_id),
            wallet_summary(tx, context),
        )

    balance, active, wallet_text = await context.app.database.read(read)
    own_text = context.translate(
        "quota",
        free=balance.available,
        daily=balance.daily,
        granted=balance.granted,
        held=balance.held,
        limit=balance.daily_limit,
        refills=context.format_datetime(balance.refills_at),
        active=active,
        max=context.app.settings.max_active_per_user,
    )
    return Reply("\n".join(part for part in (own_text, wallet_text) if part))


async def list_models(context: RequestContext, _command: ListModels) -> Reply:
    """`/models`: list the models that can be requested now."""
    availability = await context.app.provider_availability()
    return Reply(
        models_text(context.language, context.app.catalog, context.now, availability.can_serve)
    )


async def change_settings(context: RequestContext, command: ChangeSettings) -> Reply:
    """`/settings`: change the user's defaults, after validation, and show them."""
    changes = dict(command.changes)
    if model := changes.get("model"):
        changes["model"] = context.app.catalog.find(str(model), context.now).name
    if (language := changes.get("language")) is not None:
        _check_language(str(language))
    user_row = await _change_user(context, changes) if changes else context.user_row
    none = orientation = context.translate("settings-none")
    if user_row.orientation:
        orientation = context.translate(f"orientation-{user_row.orientation}")
    text = context.translate(
        "settings",
        model=user_row.model or none,
        orientation=orientation,
        duration=user_row.seconds or none,
        language=user_row.language or context.language,
    )
    if context.request.typed_options:
        text = f"{text}\n{context.translate('settings-how')}"
    return Reply(text)


async def _change_user(context: RequestContext, changes: Mapping[str, object]) -> UserRow:
    def change(tx: Tx) -> UserRow:
        accounts.ensure_account(tx, context.user_id, context.now)
        users.change(tx, context.user_id, **changes)
        return users.get(tx, context.user_id)

    return await context.app.database.transact(change)


def _check_language(code: str) -> None:
    if code not in LANGUAGES:
        raise Refusal("language-unknown", code=code, all=", ".join(LANGUAGES))


async def change_language(context: RequestContext, command: ChangeLanguage) -> Reply:
    """`/language`: change the language, and reply in the new one."""
    if command.code is None:
        return context.reply("language-current", code=context.language, all=", ".join(LANGUAGES))
    _check_language(command.code)
    await _change_user(context, {"language": command.code})
    return Reply(translate(command.code, "language-changed"))


# --- privacy, welcome --------------------------------------------------------------------


async def show_privacy(context: RequestContext, _command: ShowPrivacy) -> Reply:
    """`/privacy`: say which data are kept and for how long."""
    settings = context.app.settings
    return context.reply(
        "privacy",
        result_days=settings.result_retention_days,
        prompt_days=settings.prompt_retention_days,
        picture_days=settings.picture_retention_days,
    )


async def forget_me(context: RequestContext, command: ForgetMe) -> Reply:
    """`/forgetme yes`: delete prompts, images and videos; ledger entries are kept."""
    if not command.confirmed:
        return context.reply("forgetme-confirm")

    def forget(tx: Tx) -> tuple[list[Task], int]:
        settled = retention.settled_tasks_of_user(tx, context.user_id)
        retention.blank_tasks(tx, [task.id for task in settled])
        users.change(
            tx,
            context.user_id,
            language=None,
            model=None,
            orientation=None,
            seconds=None,
            handle=None,
        )
        interactive_messages.blank_of_user(tx, context.user_id)
        return settled, tasks.count_active(tx, context.user_id)

    forgotten, active = await context.app.database.transact(forget)
    for task in forgotten:
        await context.app.remove_task_files(task)
    return context.reply("forgetme-done", count=len(forgotten), active=active)


async def show_welcome(context: RequestContext, _command: Start) -> Reply:
    """`/start`: introduce the bot."""
    return context.reply("start")


async def show_help(context: RequestContext, _command: Help) -> Reply:
    """`/help`: list the commands."""
    return Reply(
        help_text(context.language, context.request.user.is_admin, context.request.typed_options)
    )
