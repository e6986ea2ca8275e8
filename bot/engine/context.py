"""The dependencies and settings of the engine, created once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import Durations, Spread
from bot.domain.tasks import Task
from bot.engine import poll_schedule
from bot.media.links import Publisher
from bot.media.storage import Spool
from bot.media.transcoder import Fitter
from bot.ports import Clock, Messenger
from bot.store.database import Database
from providers.base import Provider

_WORDS = 1000
"""Unknown job statuses that are logged once each; further ones are not logged."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of the engine. Times are in seconds."""

    lease: float = 30.0
    poll_minimum: float = 2.0
    deadline: float = 1800.0
    grace: float = 20.0
    result_retention: float = 30 * 86400.0
    prompt_retention: float = 90 * 86400.0
    picture_retention: float = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class World:
    """The dependencies of the engine."""

    database: Database
    providers: Mapping[str, Provider]
    messengers: Mapping[str, Messenger]
    catalog: Catalog
    spool: Spool
    clock: Clock
    durations: Durations
    limits: Limits = field(default_factory=Limits)
    fitter: Fitter | None = None
    """Re-encodes videos to fit upload limits; None: all are posted unchanged."""
    publisher: Publisher | None = None
    """Publishes files under a URL; None: not configured."""
    alerted: tuple[str, ...] = ("console",)
    """The front-ends that send alerts to admins."""
    language: str = "en"
    """Of the alerts."""
    chance: Random = field(default_factory=Random)
    off: set[str] = field(default_factory=set)
    """Providers that an admin has disabled; `watch` keeps it up to date."""
    _words: set[tuple[str, str]] = field(default_factory=set)

    @property
    def accounts(self) -> dict[str, str]:
        """Provider name -> identity of its account."""
        return {name: provider.identity for name, provider in self.providers.items()}

    def name_of(self, task: Task) -> str | None:
        """The current name of the provider account that has the task's job, if configured.

        A changed key or address is another account, which must never be asked for this job. The
        same account under another name is still the same.
        """
        names = [
            name
            for name, provider in self.providers.items()
            if provider.identity == task.provider_identity
        ]
        return task.provider if task.provider in names else next(iter(names), None)

    def provider_of(self, task: Task) -> Provider | None:
        """The provider that has the task's job; None: its account is not configured."""
        name = self.name_of(task)
        return None if name is None else self.providers[name]

    def is_off(self, task: Task) -> bool:
        """Whether an admin has disabled the provider of a task: nothing is sent there."""
        return bool(self.off) and self.name_of(task) in self.off

    def unheard_of(self, name: str, word: str) -> bool:
        """Whether a provider reports this status for the first time. Remembers it."""
        new = (name, word) not in self._words and len(self._words) < _WORDS
        self._words.add((name, word))
        return new

    def takes_pictures(self, name: str) -> bool:
        """Whether this provider can receive a reference picture."""
        able = self.providers[name].allowed
        return able.picture_way(links=self.publisher is not None) is not None

    def spread_of(self, task: Task) -> Spread | None:
        """Measured durations of jobs like this one, or None."""
        name, model = task.provider or "", task.remote_model or ""
        return self.durations.spread(name, model, task.order.seconds)

    def until_look(self, known: poll_schedule.Known) -> float:
        """Seconds until the next poll."""
        return poll_schedule.until_next_look(known, self.limits.poll_minimum)

    def backoff(self, attempts: int, hint: float | None = None) -> float:
        """Seconds until a failed attempt is repeated, after `attempts` earlier ones."""
        return poll_schedule.backoff(attempts, hint, self.limits.poll_minimum, self.chance)
