"""One async function per subcommand of `/admin`. The caller checks that the user is an admin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.catalog.catalog_file import CatalogError
from bot.credits import ledger, lifecycle
from bot.domain.commands import AdminCommand, Reply
from bot.domain.errors import Refusal
from bot.domain.provider_health import ProviderHealth, ProviderMode
from bot.domain.tasks import FINAL, State, Task
from bot.presentation.admin_messages import admin_provider_text, admin_task_line, admin_task_text
from bot.presentation.help_messages import admin_help_text
from bot.services.context import RequestContext
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

_LIST_LIMIT = 20


async def _audited_change(
    context: RequestContext, command: AdminCommand, change: Callable[[Tx], Any]
) -> Any:  # noqa: ANN401 - the result of `change`
    """Change something, and record it in the audit trail in the same transaction.

    Raises `Refusal` if the same update was handled before: a platform may deliver it twice.
    """
    update_id, front_end = context.request.update_id, context.request.destination.front_end

    def change_and_record(tx: Tx) -> Any:  # noqa: ANN401
        if update_id is not None and not seen_events.record_once(
            tx, front_end, update_id, context.now
        ):
            raise Refusal("done-already")
        audit.record(tx, context.user_id, command.subcommand, command.arguments, context.now)
        return change(tx)

    return await context.app.database.transact(change_and_record)


async def _get_task(context: RequestContext, task_id: str) -> Task:
    task = await context.app.database.read(lambda tx: tasks.get(tx, task_id))
    if task is None:
        raise Refusal("task-unknown", task=task_id)
    return task


# --- users -------------------------------------------------------------------------------


async def grant_credits(context: RequestContext, command: AdminCommand) -> Reply:
    """`grant USER N`: grant permanent credits; a negative number takes some back."""
    user_id, amount = str(command.arguments["person"]), int(command.arguments["credits"])

    def change(tx: Tx) -> tuple[int, int]:
        accounts.ensure_account(tx, user_id, context.now)
        given = ledger.grant(tx, user_id, amount, context.user_id, context.now)
        return given, ledger.balance(tx, user_id, context.app.credit_rules, context.now).available

    given, available = await _audited_change(context, command, change)
    return context.reply("admin-granted", person=user_id, credits=given, free=available)


async def set_daily_limit(context: RequestContext, command: AdminCommand) -> Reply:
    """`limit USER N`: set the daily credits from today on; 0 means none."""
    user_id, amount = str(command.arguments["person"]), int(command.arguments["credits"])

    def change(tx: Tx) -> int:
        accounts.ensure_account(tx, user_id, context.now)
        ledger.set_daily_limit(
            tx, user_id, amount, context.app.credit_rules, context.now, context.user_id
        )
        return ledger.balance(tx, user_id, context.app.credit_rules, context.now).available

    available = await _audited_change(context, command, change)
    return context.reply("admin-limited", person=user_id, credits=amount, free=available)


async def set_group_limit(context: RequestContext, command: AdminCommand) -> Reply:
    """`group CHAT N`: set the daily credits that a group shares; 0 means none."""
    wallet_id, amount = str(command.arguments["person"]), int(command.arguments["credits"])

    def change(tx: Tx) -> int:
        accounts.ensure_account(tx, wallet_id, context.now)
        ledger.set_daily_limit(
            tx, wallet_id, amount, context.app.credit_rules, context.now, context.user_id
        )
        return ledger.balance(tx, wallet_id, context.app.credit_rules, context.now).available

    available = await _audited_change(context, command, change)
    name = wallet_id.removeprefix("group:")
    return context.reply("admin-group", group=name, credits=amount, free=available)


async def ban_user(context: RequestContext, command: AdminCommand) -> Reply:
    """`ban USER [REASON]`: accept no new videos; active tasks are finished."""
    user_id, reason = str(command.arguments["person"]), command.arguments.get("text")

    def change(tx: Tx) -> None:
        accounts.ensure_account(tx, user_id, context.now)
        users.change(tx, user_id, banned_at=context.now, ban_reason=reason)

    await _audited_change(context, command, change)
    return context.reply("admin-banned", person=user_id, reason=str(reason or ""))


async def unban_user(context: RequestContext, command: AdminCommand) -> Reply:
    """`unban USER`: accept videos again."""
    user_id = str(command.arguments["person"])

    def change(tx: Tx) -> None:
        if not users.exists(tx, user_id):
            raise Refusal("person-unknown", person=user_id)
        users.change(tx, user_id, banned_at=None, ban_reason=None)

    await _audited_change(context, command, change)
    return context.reply("admin-unbanned", person=user_id)


async def show_user(context: RequestContext, command: AdminCommand) -> Reply:
    """`user USER`: show credits, active tasks and ban of a user."""
    user_id = str(command.arguments["person"])

    def read(tx: Tx) -> tuple[bool, Any, Any, int]:
        return (
            users.exists(tx, user_id),
            users.get(tx, user_id),
            ledger.balance(tx, user_id, context.app.credit_rules, context.now),
            tasks.count_active(tx, user_id),
        )

    is_known, user_row, balance, active = await context.app.database.read(read)
    if not is_known:
        raise Refusal("person-unknown", person=user_id)
    text = context.translate(
        "admin-user",
        person=user_id,
        free=balance.available,
        daily=balance.daily,
        granted=balance.granted,
        held=balance.held,
        limit=balance.daily_limit,
        active=active,
    )
    if user_row.banned_at is not None:
        text += "\n" + context.translate("admin-user-banned", reason=user_row.ban_reason or "")
    return Reply(text)


# --- tasks -------------------------------------------------------------------------------


async def list_tasks(context: RequestContext, command: AdminCommand) -> Reply:
    """`tasks [STATE]`: list the newest tasks in that state; without one, all that are not final."""
    state_word = command.arguments.get("state")
    state = State(str(state_word)) if state_word else None
    listed = await context.app.database.read(lambda tx: tasks.in_state(tx, state, _LIST_LIMIT))
    if not listed:
        return context.reply("admin-tasks-none")
    return Reply("\n".join(admin_task_line(task, context.now) for task in listed))


async def show_task(context: RequestContext, command: AdminCommand) -> Reply:
    """`task TASK`: show all details, the gateway's error text and the history included."""
    task = await _get_task(context, str(command.arguments["task"]))
    history = await context.app.database.read(lambda tx: tasks.history(tx, task.id))
    return Reply(admin_task_text(task, history), task=task)


async def requeue_task(context: RequestContext, command: AdminCommand) -> Reply:
    """`requeue TASK`: post an undelivered result again; handle a waiting task now."""
    task = await _get_task(context, str(command.arguments["task"]))
    if task.state in FINAL:
        raise Refusal(
            "admin-requeue-at-rest", task=task.id, state=context.translate(f"state-{task.state}")
        )
    if task.state is State.REVIEW:
        raise Refusal("admin-requeue-review", task=task.id)

    def change(tx: Tx) -> None:
        if task.state is not State.UNDELIVERED:
            task_queue.expedite(tx, task.id, context.now)
        elif lifecycle.transition(tx, task, State.DELIVERING, context.now, by=context.user_id):
            deliveries.restart(tx, task.id, task.destination)

    await _audited_change(context, command, change)
    context.app.wake_engine()
    return context.reply("admin-requeued", task=task.id)


async def resolve_review(context: RequestContext, command: AdminCommand) -> Reply:
    """`resolve TASK charge|refund|attach REMOTE_ID`: end a review."""
    task = await _get_task(context, str(command.arguments["task"]))
    if task.state is not State.REVIEW:
        raise Refusal(
            "admin-resolve-not-in-review",
            task=task.id,
            state=context.translate(f"state-{task.state}"),
        )
    verdict = str(command.arguments["verdict"])
    change = _VERDICTS[verdict]
    remote_id = str(command.arguments.get("remote_id") or "")

    def apply_verdict(tx: Tx) -> None:
        # Raised inside the transaction, so that the audit trail does not record it.
        if not change(tx, context, task, remote_id):
            raise Refusal("admin-resolve-too-late", task=task.id)

    await _audited_change(context, command, apply_verdict)
    context.app.wake_engine()
    return context.reply(f"admin-resolved-{verdict}", task=task.id, price=task.price)


def _charge(tx: Tx, context: RequestContext, task: Task, _remote_id: str) -> bool:
    return lifecycle.transition(
        tx,
        task,
        State.FAILED,
        context.now,
        by=context.user_id,
        reason="resolved-charged",
        charge=True,
    )


def _refund(tx: Tx, context: RequestContext, task: Task, _remote_id: str) -> bool:
    return lifecycle.transition(
        tx, task, State.FAILED, context.now, by=context.user_id, reason="resolved-refunded"
    )


def _attach(tx: Tx, context: RequestContext, task: Task, remote_id: str) -> bool:
    owner = tasks.find_by_remote_id(tx, task.provider_identity or "", remote_id)
    if owner not in (None, task.id):
        raise Refusal("admin-attach-taken", remote_id=remote_id, task=str(owner))
    # Restart the deadline: the review may have taken days.
    columns: dict[str, object] = {"remote_id": remote_id, "submitted_at": context.now}
    columns |= {"running_at": None, "finished_at": None, "percent": None, "looks": 0}
    try:
        return lifecycle.transition(
            tx,
            task,
            State.RUNNING,
            context.now,
            by=context.user_id,
            reason=lifecycle.JOB_ATTACHED,
            changes=columns,
        )
    except tasks.JobAlreadyAssigned:
        raise Refusal("admin-attach-taken", remote_id=remote_id, task="?") from None


_VERDICTS: dict[str, Callable[[Tx, RequestContext, Task, str], bool]] = {
    "charge": _charge,
    "refund": _refund,
    "attach": _attach,
}


# --- providers and models ----------------------------------------------------------------


async def list_providers(context: RequestContext, _command: AdminCommand) -> Reply:
    """`providers`: show state, running jobs and problems of each provider."""

    def read(tx: Tx) -> tuple[Any, Any, dict[str, Any]]:
        names = context.app.providers
        disabled_by_provider = {
            name: disabled_models.list_for_provider(tx, name, context.now) for name in names
        }
        return provider_health.get_all(tx), tasks.jobs_by_provider(tx), disabled_by_provider

    health, jobs, disabled_by_provider = await context.app.database.read(read)
    return Reply(
        "\n".join(
            admin_provider_text(
                name,
                provider.kind,
                provider.max_jobs,
                health.get(name, ProviderHealth(name)),
                jobs.get(name, (0, 0))[0],
                disabled_by_provider[name],
                context.now,
            )
            for name, provider in context.app.providers.items()
        )
    )


async def set_provider_mode(context: RequestContext, command: AdminCommand) -> Reply:
    """`provider NAME on|off|drain`: set the mode; `on` also resets the circuit breaker."""
    name, mode = str(command.arguments["provider"]), ProviderMode(str(command.arguments["mode"]))
    if name not in context.app.providers:
        raise Refusal("provider-unknown", name=name, all=", ".join(context.app.providers))

    def change(tx: Tx) -> int:
        provider_health.set_mode(tx, name, mode)
        if mode is ProviderMode.ON:
            provider_health.reset(tx, name)
            task_queue.expedite_queue(tx, context.now)
        return tasks.jobs_by_provider(tx).get(name, (0, 0))[0]

    jobs = await _audited_change(context, command, change)
    context.app.wake_engine()
    return context.reply(f"admin-provider-{mode}", provider=name, jobs=jobs)


async def reload_catalog(context: RequestContext, command: AdminCommand) -> Reply:
    """`reload`: read the catalogue file again; an invalid file changes nothing."""
    try:
        changed = context.app.catalog.reload()
    except CatalogError as error:
        return Reply(
            context.translate("admin-reload-wrong", lines="\n".join(error.lines)), ok=False
        )
    await _audited_change(context, command, lambda _tx: None)
    names = ", ".join(model.name for model in context.app.catalog.available_models(context.now))
    return context.reply("admin-reloaded", changed="yes" if changed else "no", models=names)


async def show_audit(context: RequestContext, command: AdminCommand) -> Reply:
    """`audit [N]`: list who did what, newest first."""
    count = int(command.arguments.get("count") or _LIST_LIMIT)
    rows = await context.app.database.read(lambda tx: audit.newest(tx, count))
    if not rows:
        return context.reply("admin-audit-none")
    return Reply("\n".join(f"{context.format_datetime(at)}  {by}  {what}" for at, by, what in rows))


async def show_admin_help(context: RequestContext, _command: AdminCommand) -> Reply:
    """`/admin` or `/admin help`: list the subcommands."""
    return Reply(admin_help_text(context.language))


ADMIN_HANDLERS: dict[str, Callable[[RequestContext, AdminCommand], Awaitable[Reply]]] = {
    "help": show_admin_help,
    "grant": grant_credits,
    "limit": set_daily_limit,
    "group": set_group_limit,
    "ban": ban_user,
    "unban": unban_user,
    "user": show_user,
    "tasks": list_tasks,
    "task": show_task,
    "requeue": requeue_task,
    "resolve": resolve_review,
    "providers": list_providers,
    "provider": set_provider_mode,
    "reload": reload_catalog,
    "audit": show_audit,
}
