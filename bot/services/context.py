"""Dependencies shared by all handlers, and the context of one request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import DurationStats
from bot.catalog.models import Offer
from bot.config import Settings
from bot.credits.ledger import CreditRules
from bot.domain.commands import CommandRequest, Reply
from bot.domain.errors import Refusal
from bot.domain.groups import Group
from bot.domain.provider_health import ProviderHealth
from bot.domain.tasks import Task
from bot.domain.users import User
from bot.media.links import Publisher, remove_task_files
from bot.media.storage import MediaStorage
from bot.media.transcoder import Transcoder
from bot.ports import Clock
from bot.presentation.i18n import LANGUAGES, format_datetime, translate
from bot.presentation.task_messages import Eta, estimate_eta
from bot.store import disabled_models, groups, provider_health, tasks, users
from bot.store.database import Database, Tx
from bot.store.users import UserRow
from providers.types import Capabilities


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What handlers need to know about a configured provider."""

    kind: str
    identity: str
    capabilities: Capabilities
    max_jobs: int
    """Jobs that may run at the same time."""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ProviderAvailability:
    """Snapshot of which providers and models can be used."""

    health: Mapping[str, ProviderHealth]
    disabled_models: Collection[tuple[str, str]]
    """(provider, remote model) of models that the gateway has stopped serving."""

    def can_serve(self, offer: Offer) -> bool:
        """Whether a task may be accepted for this offer, even if it has to wait for recovery."""
        health = self.health.get(offer.provider)
        if health is not None and not health.is_in_service:
            return False
        return (offer.provider, offer.remote_model) not in self.disabled_models


@dataclass(frozen=True, slots=True)
class AppContext:
    """Dependencies of the handlers, created once by the composition root."""

    database: Database
    catalog: Catalog
    storage: MediaStorage
    clock: Clock
    duration_stats: DurationStats
    settings: Settings
    credit_rules: CreditRules
    providers: Mapping[str, ProviderInfo]
    wake_engine: Callable[[], None]
    """Make the engine look for due work now."""
    transcoder: Transcoder | None = None
    publisher: Publisher | None = None
    """Publishes files under links that gateways and users can open; None: not configured."""

    async def provider_availability(self) -> ProviderAvailability:
        """Read which offers can be used now."""
        now = self.clock.now()
        health, disabled = await self.database.read(
            lambda tx: (provider_health.get_all(tx), disabled_models.get_all(tx, now))
        )
        return ProviderAvailability(health, disabled)

    async def remove_task_files(self, task: Task) -> None:
        """Delete all files of a task, on disk and where they were published."""
        await remove_task_files(task, self.storage, self.transcoder, self.publisher)

    def provider_of(self, task: Task) -> tuple[str, ProviderInfo] | None:
        """Return (name, info) of the configured provider whose account runs the task's job.

        The provider may have been renamed since: its identity decides.
        """
        candidates = {
            task.provider or "": self.providers.get(task.provider or ""),
            **self.providers,
        }
        for name, provider in candidates.items():
            if provider is not None and provider.identity == task.provider_identity:
                return name, provider
        return None

    def accepts_images(self, name: str) -> bool:
        """Whether a reference image can be sent to this provider."""
        provider = self.providers.get(name)
        return provider is not None and (
            provider.capabilities.choose_image_transport(links_available=self.publisher is not None)
            is not None
        )


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request, with what is stored about its user and group."""

    app: AppContext
    request: CommandRequest
    user_row: UserRow
    language: str
    now: float
    group: Group | None = None
    """Settings of the group in which the request was made."""

    @property
    def public_language(self) -> str:
        """The language of replies that everyone in the chat can see."""
        user_language, group = self.user_row.language, self.group
        return self.language if user_language or group is None else group.language or self.language

    @property
    def user_id(self) -> str:
        """Id of the user who made the request."""
        return self.request.user.id

    def translate(self, text_key: str, **params: str | float) -> str:
        """Translate a text into the user's language."""
        return translate(self.language, text_key, **params)

    def reply(self, text_key: str, **params: str | float) -> Reply:
        """Reply with a text in the user's language."""
        return Reply(self.translate(text_key, **params))

    def format_datetime(self, timestamp: float) -> str:
        """Format a UNIX time in the user's language and the configured time zone."""
        return format_datetime(self.language, timestamp, self.app.credit_rules.timezone)

    def estimate_eta(self, task: Task, tasks_ahead: int | None = None) -> Eta:
        """Estimate when a task will be ready."""
        app, format_countdown = self.app, self.request.format_countdown
        return estimate_eta(
            task, app.catalog, app.duration_stats, self.now, tasks_ahead, format_countdown
        )


async def get_own_task(context: RequestContext, task_id: str) -> Task:
    """Return a task of the user. Raises `Refusal`."""
    task = await context.app.database.read(lambda tx: tasks.get(tx, task_id))
    # The same text for another user's task and an unknown one: guessing ids reveals nothing.
    if task is None or task.user_id != context.user_id:
        raise Refusal("task-unknown", task=task_id)
    return task


async def resolve_context(request: CommandRequest, app: AppContext) -> RequestContext:
    """Read what is stored about the user and the group of a request."""
    group_context = request.group_context

    def read(tx: Tx) -> tuple[UserRow, Group | None]:
        user_row = users.get(tx, request.user.id)
        return user_row, groups.get(tx, group_context.group_id) if group_context else None

    user_row, group = await app.database.read(read)
    language = choose_language(app, request.user, user_row, group)
    return RequestContext(app, request, user_row, language, app.clock.now(), group)


def choose_language(app: AppContext, user: User, user_row: UserRow, group: Group | None) -> str:
    """Return the user's language by precedence: chosen, front-end, group, default."""
    for code in (user_row.language, user.language, group.language if group else None):
        if code is not None and code[:2].lower() in LANGUAGES:
            return code[:2].lower()
    return app.settings.default_language
