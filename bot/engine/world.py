"""All that the steps work with, made once by the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from bot.catalog import Catalog
from bot.durations import Durations, Spread
from bot.engine import schedule
from bot.media.fit import Fitter
from bot.media.publish import Publisher
from bot.media.spool import Spool
from bot.model import Task
from bot.ports import Clock, Messenger
from bot.store.database import Database
from providers.base import Provider

_WORDS = 1000
"""Unknown status words that are remembered; a gateway that says more is not worth more lines."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that the engine obeys; times in seconds."""

    lease: float = 30.0
    poll_minimum: float = 2.0
    deadline: float = 1800.0
    grace: float = 20.0
    result_retention: float = 30 * 86400.0
    prompt_retention: float = 90 * 86400.0
    picture_retention: float = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class World:
    """What the engine can reach."""

    database: Database
    providers: Mapping[str, Provider]
    messengers: Mapping[str, Messenger]
    catalog: Catalog
    spool: Spool
    clock: Clock
    durations: Durations
    limits: Limits = field(default_factory=Limits)
    fitter: Fitter | None = None
    """Makes videos fit into chats; None: all are posted as they are."""
    publisher: Publisher | None = None
    """Where the outside can get files of ours; None: nowhere."""
    alerted: tuple[str, ...] = ("console",)
    """The front-ends that have admins."""
    language: str = "en"
    """What admins are told in."""
    chance: Random = field(default_factory=Random)
    off: set[str] = field(default_factory=set)
    """Providers that an admin has switched off; `watch` keeps it true to the database."""
    _words: set[tuple[str, str]] = field(default_factory=set)

    @property
    def accounts(self) -> dict[str, str]:
        """Provider -> the identity of its account."""
        return {name: provider.identity for name, provider in self.providers.items()}

    def name_of(self, task: Task) -> str | None:
        """The name that the very account that made the task's job has now, if it is configured.

        A changed key or address is another account: it must never be asked for this job. Another
        name for the same one changes nothing.
        """
        names = [
            name
            for name, provider in self.providers.items()
            if provider.identity == task.provider_identity
        ]
        return task.provider if task.provider in names else next(iter(names), None)

    def provider_of(self, task: Task) -> Provider | None:
        """The very account that made the task's job, or None while it is not configured."""
        name = self.name_of(task)
        return None if name is None else self.providers[name]

    def is_off(self, task: Task) -> bool:
        """Whether an admin wants nothing at all to be sent to the task's provider now."""
        return bool(self.off) and self.name_of(task) in self.off

    def unheard_of(self, name: str, word: str) -> bool:
        """Whether a provider says this word for the first time; from then on it was heard."""
        new = (name, word) not in self._words and len(self._words) < _WORDS
        self._words.add((name, word))
        return new

    def takes_pictures(self, name: str) -> bool:
        """Whether a reference picture can reach this provider."""
        able = self.providers[name].allowed
        return able.picture_way(links=self.publisher is not None) is not None

    def spread_of(self, task: Task) -> Spread | None:
        """How long jobs like this one took."""
        name, model = task.provider or "", task.remote_model or ""
        return self.durations.spread(name, model, task.order.seconds)

    def until_look(self, known: schedule.Known) -> float:
        """Seconds until the next look."""
        return schedule.until_next_look(known, self.limits.poll_minimum)

    def backoff(self, attempts: int, hint: float | None = None) -> float:
        """Seconds until a try that failed is repeated, after `attempts` earlier ones."""
        return schedule.backoff(attempts, hint, self.limits.poll_minimum, self.chance)
