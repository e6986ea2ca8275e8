"""What handlers stand on: the desk of the process, and one call of a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bot.catalog import Catalog
from bot.config import Settings
from bot.durations import Durations
from bot.media.fit import Fitter
from bot.media.publish import Publisher
from bot.media.removing import remove_files
from bot.media.spool import Spool
from bot.model import Group, Health, Refusal, Reply, Request, Task
from bot.offers import Offer
from bot.ports import Clock
from bot.quotas.ledger import Rules
from bot.replies import moment, say
from bot.store import providers, tasks
from bot.store.accounts import PersonRow
from bot.store.database import Database
from bot.telling import Outlook, outlook
from providers.base import Capabilities


@dataclass(frozen=True, slots=True)
class Account:
    """What handlers know of a configured provider."""

    kind: str
    identity: str
    capabilities: Capabilities
    places: int
    """Jobs at once."""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """What is known of the providers at this moment."""

    health: Mapping[str, Health]
    off: Collection[tuple[str, str]]
    """(provider, the gateway's own id) of models that are switched off."""

    def serves(self, offer: Offer) -> bool:
        """Whether it makes sense to order from it now, and wait if it has trouble."""
        known = self.health.get(offer.provider)
        return (known is None or known.in_service) and (offer.provider, offer.model) not in self.off


@dataclass(frozen=True, slots=True)
class Desk:
    """All that handlers work with, made once by the composition root."""

    database: Database
    catalog: Catalog
    spool: Spool
    clock: Clock
    durations: Durations
    settings: Settings
    rules: Rules
    providers: Mapping[str, Account]
    wake: Callable[[], None]
    """Tell the engine that there is something to do."""
    fitter: Fitter | None = None
    publisher: Publisher | None = None
    """Where gateways can get pictures of ours; None: nowhere."""

    async def service(self) -> Service:
        """Which offers can be used now."""
        now = self.clock.now()
        health, off = await self.database.read(
            lambda tx: (providers.health(tx), providers.models_off(tx, now))
        )
        return Service(health, off)

    async def remove_files(self, task: Task) -> None:
        """Nothing of this task is to be kept, here or where we have published it."""
        await remove_files(task, self.spool, self.fitter, self.publisher)

    def account_of(self, task: Task) -> tuple[str, Account] | None:
        """The account that made this task's job, under its name of today, if it is configured."""
        named = {task.provider or "": self.providers.get(task.provider or ""), **self.providers}
        for name, account in named.items():
            if account is not None and account.identity == task.provider_identity:
                return name, account
        return None

    def takes_pictures(self, name: str) -> bool:
        """Whether a reference picture can reach this provider."""
        account = self.providers.get(name)
        return account is not None and (
            account.capabilities.picture_way(links=self.publisher is not None) is not None
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One request with what is known of its person."""

    desk: Desk
    request: Request
    row: PersonRow
    language: str
    now: float
    group: Group | None = None
    """What holds where it is asked."""

    @property
    def public(self) -> str:
        """The language of what all there can see."""
        own, group = self.row.language, self.group
        return self.language if own or group is None else group.language or self.language

    @property
    def person(self) -> str:
        """Whose request it is."""
        return self.request.person.id

    def say(self, sentence: str, **facts: str | float) -> str:
        """A sentence in their language."""
        return say(self.language, sentence, **facts)

    def reply(self, sentence: str, **facts: str | float) -> Reply:
        """A plain answer in their language."""
        return Reply(self.say(sentence, **facts))

    def moment(self, time: float) -> str:
        """A point of time as they would read it."""
        return moment(self.language, time, self.desk.rules.timezone)

    def outlook(self, task: Task, line: int | None = None) -> Outlook:
        """What can be expected of a task now."""
        desk, countdown = self.desk, self.request.countdown
        return outlook(task, desk.catalog, desk.durations, self.now, line, countdown)


async def own_task(call: Call, task_id: str) -> Task:
    """The task, if it is theirs."""
    task = await call.desk.database.read(lambda tx: tasks.get(tx, task_id))
    # The same words for "not yours" and "not there": nothing is to be learned by guessing.
    if task is None or task.person != call.person:
        raise Refusal("task-unknown", task=task_id)
    return task
