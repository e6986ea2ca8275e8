"""All that the steps work with, made once by the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from bot.catalog import Catalog
from bot.durations import Durations
from bot.engine import schedule
from bot.media.spool import Spool
from bot.model import Task
from bot.ports import Clock, Messenger
from bot.store.database import Database
from providers.base import Provider


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that the engine obeys; times in seconds."""

    lease: float = 30.0
    poll_minimum: float = 2.0
    deadline: float = 1800.0
    grace: float = 20.0
    result_retention: float = 30 * 86400.0
    prompt_retention: float = 90 * 86400.0


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
    chance: Random = field(default_factory=Random)

    @property
    def priorities(self) -> dict[str, int]:
        """Provider -> its priority, as the settings say."""
        return {name: provider.options.priority for name, provider in self.providers.items()}

    def provider_of(self, task: Task) -> Provider | None:
        """The very account that made the task's job, or None while it is not configured.

        A changed key or address is another account: it must never be asked for this job.
        """
        provider = self.providers.get(task.provider or "")
        if provider is None or provider.identity != task.provider_identity:
            return None
        return provider

    def backoff(self, attempts: int, hint: float | None = None) -> float:
        """Seconds until a try that failed is repeated, after `attempts` earlier ones."""
        return schedule.backoff(attempts, hint, self.limits.poll_minimum, self.chance)
