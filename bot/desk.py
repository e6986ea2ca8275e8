"""What handlers stand on: the desk of the process, and one call of a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.catalog import Catalog
from bot.config import Settings
from bot.durations import Durations
from bot.media.spool import Spool
from bot.model import Reply, Request, Task
from bot.ports import Clock
from bot.quotas.ledger import Rules
from bot.replies import moment, say
from bot.store.accounts import PersonRow
from bot.store.database import Database
from bot.telling import Outlook, outlook
from providers.base import Capabilities


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
    capabilities: Mapping[str, Capabilities]
    """Provider name -> what it can do."""
    wake: Callable[[], None]
    """Tell the engine that there is something to do."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request with what is known of its person."""

    desk: Desk
    request: Request
    row: PersonRow
    language: str
    now: float

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
        return outlook(task, self.desk.catalog, self.desk.durations, self.now, line)
