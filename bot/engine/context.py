"""The dependencies and settings of the engine, created once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import DurationSamples, DurationStats
from bot.domain.tasks import Task
from bot.engine import poll_schedule
from bot.media.links import Publisher
from bot.media.storage import MediaStorage
from bot.media.transcoder import Transcoder
from bot.ports import Clock, Messenger
from bot.store.database import Database
from providers.base import Provider

_MAX_SEEN_STATUSES = 1000
"""Unknown job statuses that are logged once each; further ones are not logged."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Settings of the engine. Times are in seconds."""

    lease_s: float = 30.0
    min_poll_interval_s: float = 2.0
    deadline_s: float = 1800.0
    shutdown_grace_s: float = 20.0
    result_retention_s: float = 30 * 86400.0
    prompt_retention_s: float = 90 * 86400.0
    picture_retention_s: float = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class EngineContext:
    """The dependencies of the engine."""

    database: Database
    providers: Mapping[str, Provider]
    messengers: Mapping[str, Messenger]
    catalog: Catalog
    storage: MediaStorage
    clock: Clock
    duration_stats: DurationStats
    limits: EngineLimits = field(default_factory=EngineLimits)
    transcoder: Transcoder | None = None
    """Re-encodes videos to fit upload limits; None: all are posted unchanged."""
    publisher: Publisher | None = None
    """Publishes files under a URL; None: not configured."""
    alert_front_ends: tuple[str, ...] = ("console",)
    """The front-ends that send alerts to admins."""
    language: str = "en"
    """Of the alerts."""
    rng: Random = field(default_factory=Random)
    disabled_providers: set[str] = field(default_factory=set)
    """Providers that an admin has disabled; `run_periodic_tasks` keeps it up to date."""
    _seen_statuses: set[tuple[str, str]] = field(default_factory=set)

    @property
    def identities(self) -> dict[str, str]:
        """Provider name -> identity of its account."""
        return {name: provider.identity for name, provider in self.providers.items()}

    def provider_name_of(self, task: Task) -> str | None:
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
        name = self.provider_name_of(task)
        return None if name is None else self.providers[name]

    def is_disabled(self, task: Task) -> bool:
        """Whether an admin has disabled the provider of a task: nothing is sent there."""
        return (
            bool(self.disabled_providers) and self.provider_name_of(task) in self.disabled_providers
        )

    def is_new_status(self, provider_name: str, status: str) -> bool:
        """Whether a provider reports this status for the first time. Remembers it."""
        is_new = (provider_name, status) not in self._seen_statuses and len(
            self._seen_statuses
        ) < _MAX_SEEN_STATUSES
        self._seen_statuses.add((provider_name, status))
        return is_new

    def accepts_images(self, provider_name: str) -> bool:
        """Whether this provider can receive a reference picture."""
        capabilities = self.providers[provider_name].effective_capabilities
        return (
            capabilities.choose_image_transport(links_available=self.publisher is not None)
            is not None
        )

    def duration_samples(self, task: Task) -> DurationSamples | None:
        """Measured durations of jobs like this one, or None."""
        provider_name, remote_model = task.provider or "", task.remote_model or ""
        return self.duration_stats.samples(provider_name, remote_model, task.order.seconds)

    def next_poll_delay(self, snapshot: poll_schedule.JobSnapshot) -> float:
        """Seconds until the next poll."""
        return poll_schedule.next_poll_delay(snapshot, self.limits.min_poll_interval_s)

    def backoff(self, attempts: int, hint: float | None = None) -> float:
        """Seconds until a failed attempt is repeated, after `attempts` earlier ones."""
        return poll_schedule.backoff(attempts, hint, self.limits.min_poll_interval_s, self.rng)
