"""One async function per command. `handle` dispatches to it and turns refusals into replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import structlog

from bot import lifecycle
from bot.admin import ADMIN_HANDLERS
from bot.desk import Call, Desk, own_task
from bot.grouping import change_group, shared_text
from bot.making import Quote, can_remix, make_video, quote, remix, retry
from bot.model import (
    ACTIVE,
    Admin,
    Balance,
    Cancel,
    ChangeGroup,
    ChangeLanguage,
    ChangeSettings,
    Fetch,
    ForgetMe,
    Group,
    Help,
    ListModels,
    ListTasks,
    MakeVideo,
    Person,
    Place,
    Refusal,
    Remix,
    Reply,
    Request,
    Retry,
    ShowPrivacy,
    ShowQuota,
    Start,
    State,
    Task,
    Video,
)
from bot.quotas import ledger
from bot.replies import LANGUAGES, help_text, refusal, say
from bot.store import accounts, cards, deliveries, groups, keeping, tasks
from bot.store.accounts import PersonRow
from bot.store.database import Tx
from bot.telling import models_text, task_line
from providers.base import Orientation

__all__ = ["Quote", "can_remix", "handle", "language_of", "quoted"]

_log = structlog.get_logger(__name__)
_LISTED = 10
"""Tasks that `/tasks` shows: as many as fit on a phone screen."""


async def handle(request: Request, desk: Desk) -> Reply:
    """Run a command. Never raises: errors become replies."""
    language: str = desk.settings.default_language
    try:
        call = await _call(request, desk)
        language = call.language
        return await HANDLERS[type(request.command)](call, request.command)
    except Refusal as refused:
        return Reply(refusal(language, refused, desk.rules.timezone), ok=False)
    except Exception:  # noqa: BLE001 - the user gets a reply in any case
        _log.exception("handler_failed", command=type(request.command).__name__)
        return Reply(say(language, "internal-error"), ok=False)


async def _call(request: Request, desk: Desk) -> Call:
    """Read what is stored about the user and the group of a request."""
    there = request.whereabouts

    def look(tx: Tx) -> tuple[PersonRow, Group | None]:
        row = accounts.person(tx, request.person.id)
        return row, groups.get(tx, there.group) if there is not None else None

    row, group = await desk.database.read(look)
    language = _language(desk, request.person, row, group)
    return Call(desk, request, row, language, desk.clock.now(), group)


async def quoted(
    person: Person, place: Place, wish: MakeVideo, desk: Desk, picture: Orientation | None = None
) -> Quote:
    """Return what `/video` would order now, and at what price. Raises `Refusal`."""
    return await quote(await _call(Request(person, place, wish), desk), wish, picture)


async def language_of(desk: Desk, person: Person, group: str | None = None) -> str:
    """The language that the user chose, else the front-end's, the group's or the default."""

    def look(tx: Tx) -> tuple[PersonRow, Group | None]:
        return accounts.person(tx, person.id), groups.get(tx, group) if group else None

    return _language(desk, person, *await desk.database.read(look))


def _language(desk: Desk, person: Person, row: PersonRow, group: Group | None) -> str:
    """Return the user's language by precedence: chosen, front-end, group, default."""
    for code in (row.language, person.language, group.language if group else None):
        if code is not None and code[:2].lower() in LANGUAGES:
            return code[:2].lower()
    return desk.settings.default_language


async def outstanding(desk: Desk, person: str) -> list[Task]:
    """The user's tasks that are active, or whose final message has not been sent yet."""
    return await desk.database.read(lambda tx: tasks.outstanding(tx, person))


async def tasks_by_id(desk: Desk, ids: Collection[str]) -> list[Task]:
    """The tasks of these ids, oldest first."""
    return await desk.database.read(lambda tx: tasks.by_ids(tx, ids))


async def task_by_id(desk: Desk, task: str) -> Task | None:
    """The task of this id, of any user."""
    return await desk.database.read(lambda tx: tasks.get(tx, task))


async def called(desk: Desk, front_end: str, handle: str) -> str | None:
    """Id of the user with this handle on the front-end, if one is known."""
    return await desk.database.read(lambda tx: accounts.called(tx, front_end, handle))


async def set_handle(desk: Desk, person: str, handle: str | None) -> None:
    """Store the current handle of a user."""
    row = await desk.database.read(lambda tx: accounts.person(tx, person))
    if row.handle != (handle.lower() if handle else None):
        now = desk.clock.now()
        await desk.database.transact(lambda tx: accounts.set_handle(tx, person, handle, now))


async def recent(desk: Desk, person: str, limit: int) -> list[Task]:
    """The user's newest tasks, newest first."""
    return await desk.database.read(lambda tx: tasks.of_person(tx, person, limit))


# --- tasks of the user -------------------------------------------------------------------


async def list_tasks(call: Call, _command: ListTasks) -> Reply:
    """`/tasks`: list the newest tasks, each with its queue position or ETA."""

    def look(tx: Tx) -> list[tuple[Task, int | None]]:
        own = tasks.of_person(tx, call.person, _LISTED)
        return [
            (task, tasks.place_in_line(tx, task.id) if task.state is State.QUEUED else None)
            for task in own
        ]

    listed = await call.desk.database.read(look)
    if not listed:
        return call.reply("tasks-none")
    lines = [call.say("tasks-title")]
    lines += [task_line(call.language, task, call.outlook(task, line)) for task, line in listed]
    return Reply("\n".join(lines))


async def cancel(call: Call, command: Cancel) -> Reply:
    """`/cancel`: immediate for a queued task; later only if the gateway can cancel jobs."""
    task = await own_task(call, command.task)
    if task.state is State.QUEUED:
        return await _cancel_queued(call, task)
    if task.state in {State.FETCHING, State.DELIVERING}:
        raise Refusal("cancel-too-late", task=task.id, price=task.price)
    if task.state not in ACTIVE:
        raise Refusal("cancel-at-rest", task=task.id, state=call.say(f"state-{task.state}"))
    account = call.desk.account_of(task)
    if account is None or not account[1].capabilities.cancel:
        raise Refusal("cancel-not-possible", task=task.id, price=task.price)
    asked = await call.desk.database.transact(lambda tx: tasks.ask_to_cancel(tx, task.id, call.now))
    if not asked:
        # The state has changed meanwhile: start over.
        return await cancel(call, command)
    call.desk.wake()
    return Reply(call.say("cancel-asked", task=task.id, price=task.price), task=task)


async def _cancel_queued(call: Call, task: Task) -> Reply:
    def stop(tx: Tx) -> bool:
        return lifecycle.move(
            tx, task, State.CANCELLED, call.now, by=call.person, reason="cancelled", notice=False
        )

    if not await call.desk.database.transact(stop):
        # The task has just left the queue: start over.
        return await cancel(call, Cancel(task.id))
    return Reply(call.say("cancel-done", task=task.id, price=task.price), task=task)


async def fetch(call: Call, command: Fetch) -> Reply:
    """`/fetch`: post the video in this chat, again or for the first time."""
    task = await own_task(call, command.task)
    # A video that is being posted, perhaps by this request, must not be posted twice.
    if task.state in ACTIVE:
        raise Refusal("fetch-not-ready", task=task.id, state=call.say(f"state-{task.state}"))
    if task.state not in {State.DONE, State.UNDELIVERED}:
        raise Refusal("fetch-no-video", task=task.id, state=call.say(f"state-{task.state}"))
    if task.file is None or not call.desk.spool.result(task.file).is_file():
        raise Refusal("fetch-expired", task=task.id)
    if task.state is State.UNDELIVERED:
        await call.desk.database.transact(lambda tx: _send_again(tx, call, task))
        call.desk.wake()
        return Reply(call.say("fetch-sending", task=task.id), task=task)
    return Reply(call.say("fetch-here", task=task.id), task=task, video=_video(call, task))


def _send_again(tx: Tx, call: Call, task: Task) -> None:
    if lifecycle.move(tx, task, State.DELIVERING, call.now, by=call.person):
        deliveries.renew(tx, task.id, call.request.place)


def _video(call: Call, task: Task) -> Video:
    order = task.order
    path = call.desk.spool.result(task.file or "")
    return Video(path, task.bytes or 0, order.seconds, order.width, order.height)


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
        accounts.change_person(tx, call.person, **changes)
        return accounts.person(tx, call.person)

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
        kept = keeping.of_person_at_rest(tx, call.person)
        keeping.forget(tx, [task.id for task in kept])
        accounts.change_person(
            tx,
            call.person,
            language=None,
            model=None,
            orientation=None,
            seconds=None,
            handle=None,
        )
        cards.forget(tx, call.person)
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


async def admin(call: Call, command: Admin) -> Reply:
    """`/admin`: run a subcommand. Raises `Refusal` for users who are not admins."""
    if not call.request.person.admin:
        raise Refusal("admin-only")
    return await ADMIN_HANDLERS[command.word](call, command)


HANDLERS: dict[type, Callable[[Call, Any], Awaitable[Reply]]] = {
    MakeVideo: make_video,
    Remix: remix,
    ListTasks: list_tasks,
    Cancel: cancel,
    Retry: retry,
    ChangeGroup: change_group,
    Fetch: fetch,
    ShowQuota: show_quota,
    ListModels: list_models,
    ChangeSettings: change_settings,
    ChangeLanguage: change_language,
    ShowPrivacy: show_privacy,
    ForgetMe: forget_me,
    Start: start,
    Help: show_help,
    Admin: admin,
}
