"""Parse the subcommands of `/admin` and validate their arguments. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.commands.tokens import Word, first, nearest, nothing_more, task_id, word
from bot.domain.commands import Admin
from bot.domain.errors import Refusal
from bot.domain.provider_health import Mode
from bot.domain.tasks import State

_MOST_CREDITS = 1_000_000_000
_PERSON = re.compile(r"console:[a-z0-9_.-]{1,64}|(?:telegram|discord):[0-9]{1,20}")

_GROUP = re.compile(r"(?:telegram:-?|discord:)[0-9]{1,20}")

ADMIN_WORDS: tuple[Word, ...] = (
    word("grant", "USER N", "admin-help"),
    word("limit", "USER N", "admin-help"),
    word("ban", "USER [REASON]", "admin-help"),
    word("unban", "USER", "admin-help"),
    word("user", "USER", "admin-help"),
    word("group", "CHAT N", "admin-help"),
    word("tasks", "[STATE]", "admin-help"),
    word("task", "TASK", "admin-help"),
    word("requeue", "TASK", "admin-help"),
    word("resolve", "TASK charge|refund|attach REMOTE_ID", "admin-help"),
    word("providers", "", "admin-help"),
    word("provider", "NAME on|off|drain", "admin-help"),
    word("reload", "", "admin-help"),
    word("audit", "[N]", "admin-help"),
)


def parse_admin(rest: str) -> Admin:
    """Parse the text after `/admin`. Raises `Refusal`."""
    name, more = first(rest)
    name = name.lower()
    if name in {"", "help"}:
        return Admin("help")
    parser = _PARSERS.get(name)
    if parser is None:
        known = [one.name for one in ADMIN_WORDS]
        raise Refusal(
            "admin-word-unknown", word=name, nearest=nearest(name, known), all=", ".join(known)
        )
    return Admin(name, parser(more))


Arguments = dict[str, str | int]


def _person(rest: str) -> tuple[str, str]:
    person, more = first(rest)
    if not person:
        raise Refusal("person-missing")
    if _PERSON.fullmatch(person.lower()) is None:
        raise Refusal("person-not-an-id", person=person)
    return person.lower(), more


def _only_person(rest: str) -> Arguments:
    person, more = _person(rest)
    nothing_more(more, "/admin")
    return {"person": person}


def _credits(rest: str, *, least: int) -> Arguments:
    person, more = _person(rest)
    number, more = first(more)
    nothing_more(more, "/admin")
    if not number:
        raise Refusal("credits-missing", least=least, most=_MOST_CREDITS)
    if (
        re.fullmatch(r"[+-]?[0-9]{1,12}", number) is None
        or not least <= int(number) <= _MOST_CREDITS
    ):
        raise Refusal("credits-not-a-number", asked=number, least=least, most=_MOST_CREDITS)
    return {"person": person, "credits": int(number)}


def _group(rest: str) -> Arguments:
    group, more = first(rest)
    if _GROUP.fullmatch(group.lower()) is None:
        raise Refusal("group-not-an-id", group=group or "CHAT")
    # Parsed like the arguments of "limit", with a placeholder instead of a user id.
    arguments = _credits(f"console:group {more}", least=0)
    return arguments | {"person": f"group:{group.lower()}"}


def _ban(rest: str) -> Arguments:
    person, reason = _person(rest)
    return {"person": person, "text": reason} if reason else {"person": person}


def _admin_tasks(rest: str) -> Arguments:
    state, more = first(rest)
    nothing_more(more, "/admin tasks")
    if not state:
        return {}
    if state.lower() not in set(State):
        raise Refusal("state-unknown", state=state, all=", ".join(State))
    return {"state": state.lower()}


def _admin_task(rest: str) -> Arguments:
    task, more = first(rest)
    nothing_more(more, "/admin")
    return {"task": task_id(task, "/admin")}


def _resolve(rest: str) -> Arguments:
    task, more = first(rest)
    arguments: Arguments = {"task": task_id(task, "/admin resolve")}
    verdict, more = first(more)
    arguments["verdict"] = verdict = verdict.lower()
    if verdict not in {"charge", "refund", "attach"}:
        raise Refusal("verdict-unknown", all="charge, refund, attach REMOTE_ID")
    if verdict == "attach":
        arguments["remote_id"], more = first(more)
        if not arguments["remote_id"]:
            raise Refusal("remote-id-missing")
    nothing_more(more, "/admin resolve")
    return arguments


def _provider(rest: str) -> Arguments:
    name, more = first(rest)
    mode, more = first(more)
    nothing_more(more, "/admin provider")
    if not name:
        raise Refusal("provider-missing")
    if mode.lower() not in set(Mode):
        raise Refusal("mode-unknown", name=name.lower(), all=", ".join(Mode))
    return {"provider": name.lower(), "mode": mode.lower()}


def _nothing(rest: str) -> Arguments:
    nothing_more(rest, "/admin")
    return {}


def _audit(rest: str) -> Arguments:
    number, more = first(rest)
    nothing_more(more, "/admin audit")
    if not number:
        return {}
    if re.fullmatch(r"[0-9]{1,3}", number) is None or int(number) == 0:
        raise Refusal("count-not-a-number", asked=number, least=1, most=999)
    return {"count": int(number)}


_PARSERS: dict[str, Callable[[str], Arguments]] = {
    "grant": lambda rest: _credits(rest, least=-_MOST_CREDITS),
    "limit": lambda rest: _credits(rest, least=0),
    "ban": _ban,
    "unban": _only_person,
    "user": _only_person,
    "group": _group,
    "tasks": _admin_tasks,
    "task": _admin_task,
    "requeue": _admin_task,
    "resolve": _resolve,
    "providers": _nothing,
    "provider": _provider,
    "reload": _nothing,
    "audit": _audit,
}
