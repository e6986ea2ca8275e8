"""User-facing texts about a task: acceptance, status, ETA, failure reason."""

from __future__ import annotations

from dataclasses import dataclass

from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import DurationSamples, DurationStats
from bot.domain.commands import CountdownFormatter
from bot.domain.tasks import State, Task
from bot.presentation.i18n import format_duration, translate

DISK_FULL = "disk-full"
_LIST_PROMPT_CHARS = 60
_MIN_RELIABLE_PERCENT = 5
"""Below this progress, rounding makes an extrapolation unreliable."""
_CAPTION_PROMPT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Eta:
    """Estimate of when a task will be ready."""

    remaining_seconds: float | None = None
    """Seconds; None without any measurement."""
    tasks_ahead: int | None = None
    """Number of queued tasks ahead of this one."""
    now: float = 0.0
    format_countdown: CountdownFormatter | None = None

    @property
    def ready_at(self) -> float | None:
        """UNIX time at which the task is probably ready."""
        return None if self.remaining_seconds is None else self.now + self.remaining_seconds


def duration_samples(
    task: Task, catalog: Catalog, duration_stats: DurationStats
) -> DurationSamples | None:
    """Return the samples for a task; without a provider yet, those of the first offer with any."""
    if task.provider and task.remote_model:
        return duration_stats.samples(task.provider, task.remote_model, task.order.seconds)
    for offer in catalog.offers(task.order.model):
        samples = duration_stats.samples(offer.provider, offer.remote_model, task.order.seconds)
        if samples is not None:
            return samples
    return None


def remaining_seconds(task: Task, samples: DurationSamples | None, now: float) -> float | None:
    """Seconds until the gateway has probably finished, from its progress or else from samples."""
    if task.percent and task.percent >= _MIN_RELIABLE_PERCENT and task.running_at:
        return (now - task.running_at) * (100 - task.percent) / task.percent
    if samples is None:
        return None
    elapsed = now - task.submitted_at if task.submitted_at else 0.0
    return samples.remaining_seconds(elapsed, 0.5)


def estimate_eta(
    task: Task,
    catalog: Catalog,
    duration_stats: DurationStats,
    now: float,
    tasks_ahead: int | None = None,
    format_countdown: CountdownFormatter | None = None,
) -> Eta:
    """Estimate when the task will be ready."""
    seconds = remaining_seconds(task, duration_samples(task, catalog, duration_stats), now)
    return Eta(seconds, tasks_ahead, now, format_countdown)


def _eta_text(language: str, eta: Eta) -> str:
    position_text = translate(language, "expected-line", line=eta.tasks_ahead or 0)
    if eta.remaining_seconds is None or eta.ready_at is None:
        time_text = translate(language, "expected-unknown")
    elif eta.format_countdown is not None:
        time_text = translate(language, "expected-at", moment=eta.format_countdown(eta.ready_at))
    else:
        time_text = translate(
            language, "expected-in", time=format_duration(language, eta.remaining_seconds)
        )
    return " ".join(part for part in (position_text, time_text) if part)


def accepted_text(
    language: str,
    task: Task,
    eta: Eta,
    available_credits: int | None,
    *,
    paid_by_group: bool = False,
) -> str:
    """The reply to an accepted request: task id, price, ETA, remaining credits.

    `available_credits` is None where others read the reply.
    """
    expected = _eta_text(language, eta)
    if paid_by_group:
        return translate(
            language, "accepted-shared", task=task.id, price=task.price, expected=expected
        )
    if available_credits is None:
        return translate(
            language, "accepted-here", task=task.id, price=task.price, expected=expected
        )
    return translate(
        language,
        "accepted",
        task=task.id,
        price=task.price,
        expected=expected,
        free=available_credits,
    )


def reason_text(language: str, task: Task) -> str:
    """Why a task is in its state: one of a fixed set of texts, never the gateway's message."""
    return translate(language, f"reason-{task.reason or 'unknown'}")


def status_text(language: str, task: Task, eta: Eta) -> str:
    """The status of a task in one line."""
    params: dict[str, str | int] = {"task": task.id}
    match task.state:
        case State.QUEUED:
            params["expected"] = _eta_text(language, eta)
        case State.RUNNING:
            is_known = eta.remaining_seconds is not None
            params["expected"] = _eta_text(language, eta) if is_known else ""
            params["percent"] = "" if task.percent is None else round(task.percent)
        case State.FETCHING:
            params["reason"] = reason_text(language, task) if task.reason == DISK_FULL else ""
        case State.FAILED | State.REVIEW | State.UNDELIVERED:
            params["reason"] = reason_text(language, task)
    return translate(language, f"status-{task.state}", **params)


def task_line(language: str, task: Task, eta: Eta) -> str:
    """A task in a list: its status and the start of its prompt."""
    prompt = _shorten(task.order.prompt, _LIST_PROMPT_CHARS)
    return f"{status_text(language, task, eta)} {prompt}".rstrip()


def delivery_caption(task: Task, *, repeated: bool) -> str:
    """The caption of the finished video."""
    text_key = "delivered-again" if repeated else "delivered"
    return translate(
        task.language,
        text_key,
        task=task.id,
        prompt=_shorten(task.order.prompt, _CAPTION_PROMPT_CHARS),
    )


def too_large_text(
    task: Task, size_bytes: int, limit_bytes: int, link: str | None, retention_seconds: float
) -> str:
    """Why only a preview or a link is posted, and how to get the full video."""
    params: dict[str, str | int] = {
        "task": task.id,
        "size": _format_megabytes(size_bytes),
        "limit": _format_megabytes(limit_bytes),
        "days": round(retention_seconds / 86400),
    }
    if link is not None:
        return translate(task.language, "too-large-link", **params, link=link)
    return translate(task.language, "too-large-kept", **params)


def _format_megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f}" if size_bytes >= 10_000_000 else f"{size_bytes / 1e6:.1f}"


def final_message(task: Task) -> str:
    """The final message of a task without a video, including what happened to the credits."""
    params: dict[str, str | int] = {"task": task.id}
    if task.state in {State.FAILED, State.UNDELIVERED}:
        params["reason"] = reason_text(task.language, task)
    if task.state is not State.UNDELIVERED:
        params["price"] = task.price
    if task.state is State.FAILED:
        params["charged"] = "yes" if task.reason == "resolved-charged" else "no"
    return translate(task.language, f"word-{task.state}", **params)


def _shorten(text: str, max_chars: int) -> str:
    """Shorten to one line of at most `max_chars` characters, at a word boundary if possible."""
    line = " ".join(text.split())
    if len(line) <= max_chars:
        return line
    cut = line[: max_chars - 1]
    head, space, _ = cut.rpartition(" ")
    return (head if space and len(head) > max_chars // 2 else cut) + "\u2026"
