"""Parse the subcommands of `/admin` and validate their arguments. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.commands.tokens import (
    CommandSpec,
    command_spec,
    parse_task_id,
    reject_extra_arguments,
    split_first_word,
    suggest,
)
from bot.domain.commands import AdminCommand
from bot.domain.errors import Refusal
from bot.domain.provider_health import ProviderMode
from bot.domain.tasks import State

Arguments = dict[str, str | int]

_MAX_CREDITS = 1_000_000_000
_USER_ID = re.compile(r"console:[a-z0-9_.-]{1,64}|(?:telegram|discord):[0-9]{1,20}")
_GROUP_ID = re.compile(r"(?:telegram:-?|discord:)[0-9]{1,20}")

ADMIN_COMMANDS: tuple[CommandSpec, ...] = (
    command_spec("grant", "USER N", "admin-help"),
    command_spec("limit", "USER N", "admin-help"),
    command_spec("ban", "USER [REASON]", "admin-help"),
    command_spec("unban", "USER", "admin-help"),
    command_spec("user", "USER", "admin-help"),
    command_spec("group", "CHAT N", "admin-help"),
    command_spec("tasks", "[STATE]", "admin-help"),
    command_spec("task", "TASK", "admin-help"),
    command_spec("requeue", "TASK", "admin-help"),
    command_spec("resolve", "TASK charge|refund|attach REMOTE_ID", "admin-help"),
    command_spec("providers", "", "admin-help"),
    command_spec("provider", "NAME on|off|drain", "admin-help"),
    command_spec("reload", "", "admin-help"),
    command_spec("audit", "[N]", "admin-help"),
)


def parse_admin(rest: str) -> AdminCommand:
    """Parse the text after `/admin`. Raises `Refusal`."""
    name, more = split_first_word(rest)
    name = name.lower()
    if name in {"", "help"}:
        return AdminCommand("help")
    parser = _PARSERS.get(name)
    if parser is None:
        names = [spec.name for spec in ADMIN_COMMANDS]
        raise Refusal(
            "admin-word-unknown", word=name, nearest=suggest(name, names), all=", ".join(names)
        )
    return AdminCommand(name, parser(more))


def _parse_user(rest: str) -> tuple[str, str]:
    user_id, more = split_first_word(rest)
    if not user_id:
        raise Refusal("person-missing")
    if _USER_ID.fullmatch(user_id.lower()) is None:
        raise Refusal("person-not-an-id", person=user_id)
    return user_id.lower(), more


def _parse_only_user(rest: str) -> Arguments:
    user_id, more = _parse_user(rest)
    reject_extra_arguments(more, "/admin")
    return {"person": user_id}


def _parse_credits(rest: str, *, minimum: int) -> Arguments:
    user_id, more = _parse_user(rest)
    number, more = split_first_word(more)
    reject_extra_arguments(more, "/admin")
    if not number:
        raise Refusal("credits-missing", least=minimum, most=_MAX_CREDITS)
    if (
        re.fullmatch(r"[+-]?[0-9]{1,12}", number) is None
        or not minimum <= int(number) <= _MAX_CREDITS
    ):
        raise Refusal("credits-not-a-number", asked=number, least=minimum, most=_MAX_CREDITS)
    return {"person": user_id, "credits": int(number)}


def _parse_group(rest: str) -> Arguments:
    group_id, more = split_first_word(rest)
    if _GROUP_ID.fullmatch(group_id.lower()) is None:
        raise Refusal("group-not-an-id", group=group_id or "CHAT")
    # Parsed like the arguments of "limit", with a placeholder instead of a user id.
    arguments = _parse_credits(f"console:group {more}", minimum=0)
    return arguments | {"person": f"group:{group_id.lower()}"}


def _parse_ban(rest: str) -> Arguments:
    user_id, reason = _parse_user(rest)
    return {"person": user_id, "text": reason} if reason else {"person": user_id}


def _parse_tasks(rest: str) -> Arguments:
    state, more = split_first_word(rest)
    reject_extra_arguments(more, "/admin tasks")
    if not state:
        return {}
    if state.lower() not in set(State):
        raise Refusal("state-unknown", state=state, all=", ".join(State))
    return {"state": state.lower()}


def _parse_task(rest: str) -> Arguments:
    task_id, more = split_first_word(rest)
    reject_extra_arguments(more, "/admin")
    return {"task": parse_task_id(task_id, "/admin")}


def _parse_resolve(rest: str) -> Arguments:
    task_id, more = split_first_word(rest)
    arguments: Arguments = {"task": parse_task_id(task_id, "/admin resolve")}
    verdict, more = split_first_word(more)
    arguments["verdict"] = verdict = verdict.lower()
    if verdict not in {"charge", "refund", "attach"}:
        raise Refusal("verdict-unknown", all="charge, refund, attach REMOTE_ID")
    if verdict == "attach":
        arguments["remote_id"], more = split_first_word(more)
        if not arguments["remote_id"]:
            raise Refusal("remote-id-missing")
    reject_extra_arguments(more, "/admin resolve")
    return arguments


def _parse_provider(rest: str) -> Arguments:
    name, more = split_first_word(rest)
    mode, more = split_first_word(more)
    reject_extra_arguments(more, "/admin provider")
    if not name:
        raise Refusal("provider-missing")
    if mode.lower() not in set(ProviderMode):
        raise Refusal("mode-unknown", name=name.lower(), all=", ".join(ProviderMode))
    return {"provider": name.lower(), "mode": mode.lower()}


def _parse_nothing(rest: str) -> Arguments:
    reject_extra_arguments(rest, "/admin")
    return {}


def _parse_audit(rest: str) -> Arguments:
    number, more = split_first_word(rest)
    reject_extra_arguments(more, "/admin audit")
    if not number:
        return {}
    if re.fullmatch(r"[0-9]{1,3}", number) is None or int(number) == 0:
        raise Refusal("count-not-a-number", asked=number, least=1, most=999)
    return {"count": int(number)}


_PARSERS: dict[str, Callable[[str], Arguments]] = {
    "grant": lambda rest: _parse_credits(rest, minimum=-_MAX_CREDITS),
    "limit": lambda rest: _parse_credits(rest, minimum=0),
    "ban": _parse_ban,
    "unban": _parse_only_user,
    "user": _parse_only_user,
    "group": _parse_group,
    "tasks": _parse_tasks,
    "task": _parse_task,
    "requeue": _parse_task,
    "resolve": _parse_resolve,
    "providers": _parse_nothing,
    "provider": _parse_provider,
    "reload": _parse_nothing,
    "audit": _parse_audit,
}
