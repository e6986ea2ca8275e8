"""Find the handler of a command, run it, and turn every error into a reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from bot.domain.commands import (
    AdminCommand,
    Cancel,
    ChangeGroup,
    ChangeLanguage,
    ChangeSettings,
    CommandRequest,
    Fetch,
    ForgetMe,
    Help,
    ListModels,
    ListTasks,
    MakeVideo,
    Remix,
    Reply,
    Retry,
    ShowPrivacy,
    ShowQuota,
    Start,
)
from bot.domain.errors import Refusal
from bot.presentation.i18n import format_error, translate
from bot.services.account import (
    change_language,
    change_settings,
    forget_me,
    list_models,
    show_help,
    show_privacy,
    show_quota,
    show_welcome,
)
from bot.services.admin import ADMIN_HANDLERS
from bot.services.context import AppContext, RequestContext, resolve_context
from bot.services.groups import update_group_settings
from bot.services.tasks import cancel_task, fetch_video, list_tasks
from bot.services.videos import make_video, remix_video, retry_task

_log = structlog.get_logger(__name__)


async def handle_request(request: CommandRequest, app: AppContext) -> Reply:
    """Run a command. Never raises: errors become replies."""
    language: str = app.settings.default_language
    try:
        context = await resolve_context(request, app)
        language = context.language
        return await HANDLERS[type(request.command)](context, request.command)
    except Refusal as error:
        return Reply(format_error(language, error, app.credit_rules.timezone), ok=False)
    except Exception:  # noqa: BLE001 - the user gets a reply in any case
        _log.exception("command_handler_failed", command=type(request.command).__name__)
        return Reply(translate(language, "internal-error"), ok=False)


async def run_admin_command(context: RequestContext, command: AdminCommand) -> Reply:
    """`/admin`: run a subcommand. Raises `Refusal` for users who are not admins."""
    if not context.request.user.is_admin:
        raise Refusal("admin-only")
    return await ADMIN_HANDLERS[command.subcommand](context, command)


HANDLERS: dict[type, Callable[[RequestContext, Any], Awaitable[Reply]]] = {
    MakeVideo: make_video,
    Remix: remix_video,
    ListTasks: list_tasks,
    Cancel: cancel_task,
    Retry: retry_task,
    ChangeGroup: update_group_settings,
    Fetch: fetch_video,
    ShowQuota: show_quota,
    ListModels: list_models,
    ChangeSettings: change_settings,
    ChangeLanguage: change_language,
    ShowPrivacy: show_privacy,
    ForgetMe: forget_me,
    Start: show_welcome,
    Help: show_help,
    AdminCommand: run_admin_command,
}
