"""Find the handler of a command, run it, and turn every error into a reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from bot.domain.commands import (
    Admin,
    Cancel,
    ChangeGroup,
    ChangeLanguage,
    ChangeSettings,
    Fetch,
    ForgetMe,
    Help,
    ListModels,
    ListTasks,
    MakeVideo,
    Remix,
    Reply,
    Request,
    Retry,
    ShowPrivacy,
    ShowQuota,
    Start,
)
from bot.domain.errors import Refusal
from bot.presentation.i18n import refusal, say
from bot.services.account import (
    change_language,
    change_settings,
    forget_me,
    list_models,
    show_help,
    show_privacy,
    show_quota,
    start,
)
from bot.services.admin import ADMIN_HANDLERS
from bot.services.context import Call, Desk, _call
from bot.services.groups import change_group
from bot.services.tasks import cancel, fetch, list_tasks
from bot.services.videos import make_video, remix, retry

_log = structlog.get_logger(__name__)


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
