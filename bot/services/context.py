"""Dependencies shared by all handlers, and the context of one request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import Durations
from bot.catalog.models import Offer
from bot.config import Settings
from bot.credits.ledger import Rules
from bot.domain.commands import (
    Reply,
    Request,
)
from bot.domain.errors import Refusal
from bot.domain.groups import Group
from bot.domain.provider_health import Health
from bot.domain.tasks import Task
from bot.domain.users import Person
from bot.media.links import Publisher, remove_files
from bot.media.storage import Spool
from bot.media.transcoder import Fitter
from bot.ports import Clock
from bot.presentation.i18n import LANGUAGES, moment, say
from bot.presentation.task_messages import Outlook, outlook
from bot.store import (
    disabled_models,
    groups,
    provider_health,
    tasks,
    users,
)
from bot.store.database import Database, Tx
from bot.store.users import PersonRow
from providers.types import Capabilities


@dataclass(frozen=True, slots=True)
class Account:
    """What handlers need to know about a configured provider."""

    kind: str
    identity: str
    capabilities: Capabilities
    places: int
    """Jobs that may run at the same time."""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """Snapshot of which providers and models can be used."""

    health: Mapping[str, Health]
    off: Collection[tuple[str, str]]
    """(provider, remote model) of models that the gateway has stopped serving."""

    def serves(self, offer: Offer) -> bool:
        """Whether a task may be accepted for this offer, even if it has to wait for recovery."""
        known = self.health.get(offer.provider)
        return (known is None or known.in_service) and (offer.provider, offer.model) not in self.off


@dataclass(frozen=True, slots=True)
class Desk:
    """Dependencies of the handlers, created once by the composition root."""

    database: Database
    catalog: Catalog
    spool: Spool
    clock: Clock
    durations: Durations
    settings: Settings
    rules: Rules
    providers: Mapping[str, Account]
    wake: Callable[[], None]
    """Make the engine look for due work now."""
    fitter: Fitter | None = None
    publisher: Publisher | None = None
    """Publishes files under links that gateways and users can open; None: not configured."""

    async def service(self) -> Service:
        """Read which offers can be used now."""
        now = self.clock.now()
        health, off = await self.database.read(
            lambda tx: (provider_health.health(tx), disabled_models.models_off(tx, now))
        )
        return Service(health, off)

    async def remove_files(self, task: Task) -> None:
        """Delete all files of a task, on disk and where they were published."""
        await remove_files(task, self.spool, self.fitter, self.publisher)

    def account_of(self, task: Task) -> tuple[str, Account] | None:
        """Return (name, info) of the configured provider whose account runs the task's job.

        The provider may have been renamed since: its identity decides.
        """
        named = {task.provider or "": self.providers.get(task.provider or ""), **self.providers}
        for name, account in named.items():
            if account is not None and account.identity == task.provider_identity:
                return name, account
        return None

    def takes_pictures(self, name: str) -> bool:
        """Whether a reference picture can be sent to this provider."""
        account = self.providers.get(name)
        return account is not None and (
            account.capabilities.picture_way(links=self.publisher is not None) is not None
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One request, with what is stored about its user and group."""

    desk: Desk
    request: Request
    row: PersonRow
    language: str
    now: float
    group: Group | None = None
    """Settings of the group in which the request was made."""

    @property
    def public(self) -> str:
        """The language of replies that everyone in the chat can see."""
        own, group = self.row.language, self.group
        return self.language if own or group is None else group.language or self.language

    @property
    def person(self) -> str:
        """Id of the user who made the request."""
        return self.request.person.id

    def say(self, sentence: str, **facts: str | float) -> str:
        """Translate a text into the user's language."""
        return say(self.language, sentence, **facts)

    def reply(self, sentence: str, **facts: str | float) -> Reply:
        """Reply with a text in the user's language."""
        return Reply(self.say(sentence, **facts))

    def moment(self, time: float) -> str:
        """Format a UNIX time in the user's language and the configured time zone."""
        return moment(self.language, time, self.desk.rules.timezone)

    def outlook(self, task: Task, line: int | None = None) -> Outlook:
        """Estimate when a task will be ready."""
        desk, countdown = self.desk, self.request.countdown
        return outlook(task, desk.catalog, desk.durations, self.now, line, countdown)


async def own_task(call: Call, task_id: str) -> Task:
    """Return a task of the user. Raises `Refusal`."""
    task = await call.desk.database.read(lambda tx: tasks.get(tx, task_id))
    # The same text for another user's task and an unknown one: guessing ids reveals nothing.
    if task is None or task.person != call.person:
        raise Refusal("task-unknown", task=task_id)
    return task


async def _call(request: Request, desk: Desk) -> Call:
    """Read what is stored about the user and the group of a request."""
    there = request.whereabouts

    def look(tx: Tx) -> tuple[PersonRow, Group | None]:
        row = users.person(tx, request.person.id)
        return row, groups.get(tx, there.group) if there is not None else None

    row, group = await desk.database.read(look)
    language = _language(desk, request.person, row, group)
    return Call(desk, request, row, language, desk.clock.now(), group)


def _language(desk: Desk, person: Person, row: PersonRow, group: Group | None) -> str:
    """Return the user's language by precedence: chosen, front-end, group, default."""
    for code in (row.language, person.language, group.language if group else None):
        if code is not None and code[:2].lower() in LANGUAGES:
            return code[:2].lower()
    return desk.settings.default_language
