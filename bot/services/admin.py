"""One async function per subcommand of `/admin`. The caller checks that the user is an admin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.catalog.catalog_file import CatalogError
from bot.credits import ledger, lifecycle
from bot.domain.commands import Admin, Reply
from bot.domain.errors import Refusal
from bot.domain.provider_health import Health, Mode
from bot.domain.tasks import FINAL, State, Task
from bot.presentation.admin_messages import admin_provider_text, admin_task_line, admin_task_text
from bot.presentation.help_messages import admin_help_text
from bot.services.context import Call
from bot.store import (
    accounts,
    audit,
    deliveries,
    disabled_models,
    provider_health,
    seen_events,
    task_queue,
    tasks,
    users,
)
from bot.store.database import Tx

_LISTED = 20


async def _write(call: Call, command: Admin, change: Callable[[Tx], Any]) -> Any:  # noqa: ANN401 - the result of `change`
    """Change something, and record it in the audit trail in the same transaction.

    Raises `Refusal` if the same update was handled before: a platform may deliver it twice.
    """
    update, place = call.request.update, call.request.place.front_end

    def both(tx: Tx) -> Any:  # noqa: ANN401
        if update is not None and not seen_events.hear(tx, place, update, call.now):
            raise Refusal("done-already")
        audit.note(tx, call.person, command.word, command.arguments, call.now)
        return change(tx)

    return await call.desk.database.transact(both)


async def _task(call: Call, task_id: str) -> Task:
    task = await call.desk.database.read(lambda tx: tasks.get(tx, task_id))
    if task is None:
        raise Refusal("task-unknown", task=task_id)
    return task


# --- users -------------------------------------------------------------------------------


async def grant(call: Call, command: Admin) -> Reply:
    """`grant USER N`: grant permanent credits; a negative number takes some back."""
    person, amount = str(command.arguments["person"]), int(command.arguments["credits"])

    def change(tx: Tx) -> tuple[int, int]:
        accounts.ensure(tx, person, call.now)
        given = ledger.grant(tx, person, amount, call.person, call.now)
        return given, ledger.balance(tx, person, call.desk.rules, call.now).free

    given, free = await _write(call, command, change)
    return call.reply("admin-granted", person=person, credits=given, free=free)


async def limit(call: Call, command: Admin) -> Reply:
    """`limit USER N`: set the daily credits from today on; 0 means none."""
    person, amount = str(command.arguments["person"]), int(command.arguments["credits"])

    def change(tx: Tx) -> int:
        accounts.ensure(tx, person, call.now)
        ledger.set_limit(tx, person, amount, call.desk.rules, call.now, call.person)
        return ledger.balance(tx, person, call.desk.rules, call.now).free

    free = await _write(call, command, change)
    return call.reply("admin-limited", person=person, credits=amount, free=free)


async def group(call: Call, command: Admin) -> Reply:
    """`group CHAT N`: set the daily credits that a group shares; 0 means none."""
    wallet, amount = str(command.arguments["person"]), int(command.arguments["credits"])

    def change(tx: Tx) -> int:
        accounts.ensure(tx, wallet, call.now)
        ledger.set_limit(tx, wallet, amount, call.desk.rules, call.now, call.person)
        return ledger.balance(tx, wallet, call.desk.rules, call.now).free

    free = await _write(call, command, change)
    name = wallet.removeprefix("group:")
    return call.reply("admin-group", group=name, credits=amount, free=free)


async def ban(call: Call, command: Admin) -> Reply:
    """`ban USER [REASON]`: accept no new videos; active tasks are finished."""
    person, reason = str(command.arguments["person"]), command.arguments.get("text")

    def change(tx: Tx) -> None:
        accounts.ensure(tx, person, call.now)
        users.change_person(tx, person, banned_at=call.now, ban_reason=reason)

    await _write(call, command, change)
    return call.reply("admin-banned", person=person, reason=str(reason or ""))


async def unban(call: Call, command: Admin) -> Reply:
    """`unban USER`: accept videos again."""
    person = str(command.arguments["person"])

    def change(tx: Tx) -> None:
        if not users.known(tx, person):
            raise Refusal("person-unknown", person=person)
        users.change_person(tx, person, banned_at=None, ban_reason=None)

    await _write(call, command, change)
    return call.reply("admin-unbanned", person=person)


async def user(call: Call, command: Admin) -> Reply:
    """`user USER`: show credits, active tasks and ban of a user."""
    person = str(command.arguments["person"])

    def look(tx: Tx) -> tuple[bool, Any, Any, int]:
        return (
            users.known(tx, person),
            users.person(tx, person),
            ledger.balance(tx, person, call.desk.rules, call.now),
            tasks.count_active(tx, person),
        )

    known, row, balance, active = await call.desk.database.read(look)
    if not known:
        raise Refusal("person-unknown", person=person)
    text = call.say(
        "admin-user",
        person=person,
        free=balance.free,
        daily=balance.daily,
        granted=balance.granted,
        held=balance.held,
        limit=balance.daily_limit,
        active=active,
    )
    if row.banned_at is not None:
        text += "\n" + call.say("admin-user-banned", reason=row.ban_reason or "")
    return Reply(text)


# --- tasks -------------------------------------------------------------------------------


async def list_tasks(call: Call, command: Admin) -> Reply:
    """`tasks [STATE]`: list the newest tasks in that state; without one, all that are not final."""
    word = command.arguments.get("state")
    state = State(str(word)) if word else None
    listed = await call.desk.database.read(lambda tx: tasks.in_state(tx, state, _LISTED))
    if not listed:
        return call.reply("admin-tasks-none")
    return Reply("\n".join(admin_task_line(task, call.now) for task in listed))


async def show_task(call: Call, command: Admin) -> Reply:
    """`task TASK`: show all details, the gateway's error text and the history included."""
    task = await _task(call, str(command.arguments["task"]))
    history = await call.desk.database.read(lambda tx: tasks.history(tx, task.id))
    return Reply(admin_task_text(task, history), task=task)


async def requeue(call: Call, command: Admin) -> Reply:
    """`requeue TASK`: post an undelivered result again; handle a waiting task now."""
    task = await _task(call, str(command.arguments["task"]))
    if task.state in FINAL:
        raise Refusal("admin-requeue-at-rest", task=task.id, state=call.say(f"state-{task.state}"))
    if task.state is State.REVIEW:
        raise Refusal("admin-requeue-review", task=task.id)

    def change(tx: Tx) -> None:
        if task.state is not State.UNDELIVERED:
            task_queue.hurry(tx, task.id, call.now)
        elif lifecycle.move(tx, task, State.DELIVERING, call.now, by=call.person):
            deliveries.renew(tx, task.id, task.place)

    await _write(call, command, change)
    call.desk.wake()
    return call.reply("admin-requeued", task=task.id)


async def resolve(call: Call, command: Admin) -> Reply:
    """`resolve TASK charge|refund|attach REMOTE_ID`: end a review."""
    task = await _task(call, str(command.arguments["task"]))
    if task.state is not State.REVIEW:
        raise Refusal(
            "admin-resolve-not-in-review", task=task.id, state=call.say(f"state-{task.state}")
        )
    verdict = str(command.arguments["verdict"])
    change = _VERDICTS[verdict]
    remote_id = str(command.arguments.get("remote_id") or "")

    def resolve_it(tx: Tx) -> None:
        # Raised inside the transaction, so that the audit trail does not record it.
        if not change(tx, call, task, remote_id):
            raise Refusal("admin-resolve-too-late", task=task.id)

    await _write(call, command, resolve_it)
    call.desk.wake()
    return call.reply(f"admin-resolved-{verdict}", task=task.id, price=task.price)


def _charge(tx: Tx, call: Call, task: Task, _remote_id: str) -> bool:
    return lifecycle.move(
        tx, task, State.FAILED, call.now, by=call.person, reason="resolved-charged", charge=True
    )


def _refund(tx: Tx, call: Call, task: Task, _remote_id: str) -> bool:
    return lifecycle.move(
        tx, task, State.FAILED, call.now, by=call.person, reason="resolved-refunded"
    )


def _attach(tx: Tx, call: Call, task: Task, remote_id: str) -> bool:
    owner = tasks.with_remote_id(tx, task.provider_identity or "", remote_id)
    if owner not in (None, task.id):
        raise Refusal("admin-attach-taken", remote_id=remote_id, task=str(owner))
    # Restart the deadline: the review may have taken days.
    fresh: dict[str, object] = {"remote_id": remote_id, "submitted_at": call.now}
    fresh |= {"running_at": None, "finished_at": None, "percent": None, "looks": 0}
    try:
        return lifecycle.move(
            tx,
            task,
            State.RUNNING,
            call.now,
            by=call.person,
            reason=lifecycle.ATTACHED,
            changes=fresh,
        )
    except tasks.JobTaken:
        raise Refusal("admin-attach-taken", remote_id=remote_id, task="?") from None


_VERDICTS: dict[str, Callable[[Tx, Call, Task, str], bool]] = {
    "charge": _charge,
    "refund": _refund,
    "attach": _attach,
}


# --- providers and models ----------------------------------------------------------------


async def list_providers(call: Call, _command: Admin) -> Reply:
    """`providers`: show state, running jobs and problems of each provider."""

    def look(tx: Tx) -> tuple[Any, Any, dict[str, Any]]:
        names = call.desk.providers
        off = {name: disabled_models.models_off_of(tx, name, call.now) for name in names}
        return provider_health.health(tx), tasks.jobs_by_provider(tx), off

    health, jobs, off = await call.desk.database.read(look)
    return Reply(
        "\n".join(
            admin_provider_text(
                name,
                account.kind,
                account.places,
                health.get(name, Health(name)),
                jobs.get(name, (0, 0))[0],
                off[name],
                call.now,
            )
            for name, account in call.desk.providers.items()
        )
    )


async def steer_provider(call: Call, command: Admin) -> Reply:
    """`provider NAME on|off|drain`: set the mode; `on` also resets the circuit breaker."""
    name, mode = str(command.arguments["provider"]), Mode(str(command.arguments["mode"]))
    if name not in call.desk.providers:
        raise Refusal("provider-unknown", name=name, all=", ".join(call.desk.providers))

    def change(tx: Tx) -> int:
        provider_health.set_mode(tx, name, mode)
        if mode is Mode.ON:
            provider_health.clean(tx, name)
            task_queue.hurry_queue(tx, call.now)
        return tasks.jobs_by_provider(tx).get(name, (0, 0))[0]

    jobs = await _write(call, command, change)
    call.desk.wake()
    return call.reply(f"admin-provider-{mode}", provider=name, jobs=jobs)


async def reload(call: Call, command: Admin) -> Reply:
    """`reload`: read the catalogue file again; an invalid file changes nothing."""
    try:
        changed = call.desk.catalog.reload()
    except CatalogError as error:
        return Reply(call.say("admin-reload-wrong", lines="\n".join(error.lines)), ok=False)
    await _write(call, command, lambda _tx: None)
    names = ", ".join(model.name for model in call.desk.catalog.models(call.now))
    return call.reply("admin-reloaded", changed="yes" if changed else "no", models=names)


async def show_audit(call: Call, command: Admin) -> Reply:
    """`audit [N]`: list who did what, newest first."""
    count = int(command.arguments.get("count") or _LISTED)
    rows = await call.desk.database.read(lambda tx: audit.newest(tx, count))
    if not rows:
        return call.reply("admin-audit-none")
    return Reply("\n".join(f"{call.moment(at)}  {by}  {what}" for at, by, what in rows))


async def words(call: Call, _command: Admin) -> Reply:
    """`/admin` or `/admin help`: list the subcommands."""
    return Reply(admin_help_text(call.language))


ADMIN_HANDLERS: dict[str, Callable[[Call, Admin], Awaitable[Reply]]] = {
    "help": words,
    "grant": grant,
    "limit": limit,
    "group": group,
    "ban": ban,
    "unban": unban,
    "user": user,
    "tasks": list_tasks,
    "task": show_task,
    "requeue": requeue,
    "resolve": resolve,
    "providers": list_providers,
    "provider": steer_provider,
    "reload": reload,
    "audit": show_audit,
}
