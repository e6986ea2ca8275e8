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
from bot.presentation.i18n import LANGUAGES, say
from bot.services.context import Call, Desk
from bot.services.groups import shared_text
from bot.store import accounts, interactive_messages, retention, tasks, users
from bot.store.database import Tx
from bot.store.users import PersonRow


async def set_handle(desk: Desk, person: str, handle: str | None) -> None:
    """Store the current handle of a user."""
    row = await desk.database.read(lambda tx: users.person(tx, person))
    if row.handle != (handle.lower() if handle else None):
        now = desk.clock.now()
        await desk.database.transact(lambda tx: users.set_handle(tx, person, handle, now))


# --- credits, models, settings -----------------------------------------------------------


async def show_quota(call: Call, _command: ShowQuota) -> Reply:
    """`/quota`: show available and held credits, the next refill, and the limits."""

    def look(tx: Tx) -> tuple[Balance, int, str]:
        return (
            ledger.balance(tx, call.person, call.desk.rules, call.now),
            tasks.count_active(tx, call.person),
            shared_text(tx, call),
        )

    balance, active, shared = await call.desk.database.read(look)
    own = call.say(
        "quota",
        free=balance.free,
        daily=balance.daily,
        granted=balance.granted,
        held=balance.held,
        limit=balance.daily_limit,
        refills=call.moment(balance.refills_at),
        active=active,
        max=call.desk.settings.max_active_per_user,
    )
    return Reply("\n".join(part for part in (own, shared) if part))


async def list_models(call: Call, _command: ListModels) -> Reply:
    """`/models`: list the models that can be requested now."""
    service = await call.desk.service()
    return Reply(models_text(call.language, call.desk.catalog, call.now, service.serves))


async def change_settings(call: Call, command: ChangeSettings) -> Reply:
    """`/settings`: change the user's defaults, after validation, and show them."""
    changes = dict(command.changes)
    if model := changes.get("model"):
        changes["model"] = call.desk.catalog.find(str(model), call.now).name
    if (language := changes.get("language")) is not None:
        _check_language(str(language))
    row = await _change_person(call, changes) if changes else call.row
    none = call.say("settings-none")
    told = call.say(
        "settings",
        model=row.model or none,
        orientation=call.say(f"orientation-{row.orientation}") if row.orientation else none,
        duration=row.seconds or none,
        language=row.language or call.language,
    )
    return Reply(f"{told}\n{call.say('settings-how')}" if call.request.typed else told)


async def _change_person(call: Call, changes: Mapping[str, object]) -> PersonRow:
    def change(tx: Tx) -> PersonRow:
        accounts.ensure(tx, call.person, call.now)
        users.change_person(tx, call.person, **changes)
        return users.person(tx, call.person)

    return await call.desk.database.transact(change)


def _check_language(code: str) -> None:
    if code not in LANGUAGES:
        raise Refusal("language-unknown", code=code, all=", ".join(LANGUAGES))


async def change_language(call: Call, command: ChangeLanguage) -> Reply:
    """`/language`: change the language, and reply in the new one."""
    if command.code is None:
        return call.reply("language-current", code=call.language, all=", ".join(LANGUAGES))
    _check_language(command.code)
    await _change_person(call, {"language": command.code})
    return Reply(say(command.code, "language-changed"))


# --- privacy, welcome --------------------------------------------------------------------


async def show_privacy(call: Call, _command: ShowPrivacy) -> Reply:
    """`/privacy`: say which data are kept and for how long."""
    settings = call.desk.settings
    return call.reply(
        "privacy",
        result_days=settings.result_retention_days,
        prompt_days=settings.prompt_retention_days,
        picture_days=settings.picture_retention_days,
    )


async def forget_me(call: Call, command: ForgetMe) -> Reply:
    """`/forgetme yes`: delete prompts, pictures and videos; ledger entries are kept."""
    if not command.confirmed:
        return call.reply("forgetme-confirm")

    def forget(tx: Tx) -> tuple[list[Task], int]:
        kept = retention.of_person_at_rest(tx, call.person)
        retention.forget(tx, [task.id for task in kept])
        users.change_person(
            tx,
            call.person,
            language=None,
            model=None,
            orientation=None,
            seconds=None,
            handle=None,
        )
        interactive_messages.forget(tx, call.person)
        return kept, tasks.count_active(tx, call.person)

    forgotten, active = await call.desk.database.transact(forget)
    for task in forgotten:
        await call.desk.remove_files(task)
    return call.reply("forgetme-done", count=len(forgotten), active=active)


async def start(call: Call, _command: Start) -> Reply:
    """`/start`: introduce the bot."""
    return call.reply("start")


async def show_help(call: Call, _command: Help) -> Reply:
    """`/help`: list the commands."""
    return Reply(help_text(call.language, call.request.person.admin, call.request.typed))
