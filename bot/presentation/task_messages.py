"""User-facing texts about a task: acceptance, status, ETA, failure reason."""

from __future__ import annotations

from dataclasses import dataclass

from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import Durations, Spread
from bot.domain.commands import Countdown
from bot.domain.tasks import State, Task
from bot.presentation.i18n import about, say

DISK_FULL = "disk-full"
_PROMPT_IN_LISTS = 60
_TELLING_PERCENT = 5
"""Below this progress, rounding makes an extrapolation unreliable."""
_PROMPT_BESIDE_VIDEO = 200


@dataclass(frozen=True, slots=True)
class Outlook:
    """Estimate of when a task will be ready."""

    remaining: float | None = None
    """Seconds; None without any measurement."""
    line: int | None = None
    """Number of queued tasks ahead of this one."""
    now: float = 0.0
    countdown: Countdown | None = None

    @property
    def ready_at(self) -> float | None:
        """UNIX time at which the task is probably ready."""
        return None if self.remaining is None else self.now + self.remaining


def spread_of(task: Task, catalog: Catalog, durations: Durations) -> Spread | None:
    """Return the samples for a task; without a provider yet, those of the first offer with any."""
    if task.provider and task.remote_model:
        return durations.spread(task.provider, task.remote_model, task.order.seconds)
    for offer in catalog.offers(task.order.model):
        spread = durations.spread(offer.provider, offer.model, task.order.seconds)
        if spread is not None:
            return spread
    return None


def remaining(task: Task, spread: Spread | None, now: float) -> float | None:
    """Seconds until the gateway has probably finished, from its progress or else from samples."""
    if task.percent and task.percent >= _TELLING_PERCENT and task.running_at:
        return (now - task.running_at) * (100 - task.percent) / task.percent
    if spread is None:
        return None
    age = now - task.submitted_at if task.submitted_at else 0.0
    return spread.remaining(age, 0.5)


def outlook(
    task: Task,
    catalog: Catalog,
    durations: Durations,
    now: float,
    line: int | None = None,
    countdown: Countdown | None = None,
) -> Outlook:
    """Estimate when the task will be ready."""
    rest = remaining(task, spread_of(task, catalog, durations), now)
    return Outlook(rest, line, now, countdown)


def _expected(language: str, view: Outlook) -> str:
    line = say(language, "expected-line", line=view.line or 0)
    if view.remaining is None or view.ready_at is None:
        rest = say(language, "expected-unknown")
    elif view.countdown is not None:
        rest = say(language, "expected-at", moment=view.countdown(view.ready_at))
    else:
        rest = say(language, "expected-in", time=about(language, view.remaining))
    return " ".join(part for part in (line, rest) if part)


def accepted_text(
    language: str, task: Task, view: Outlook, free: int | None, *, shared: bool = False
) -> str:
    """The reply to an accepted request: task id, price, ETA, remaining credits.

    `free` is None where others read the reply. `shared`: the group's wallet pays.
    """
    expected = _expected(language, view)
    if shared:
        return say(language, "accepted-shared", task=task.id, price=task.price, expected=expected)
    if free is None:
        return say(language, "accepted-here", task=task.id, price=task.price, expected=expected)
    return say(language, "accepted", task=task.id, price=task.price, expected=expected, free=free)


def reason_text(language: str, task: Task) -> str:
    """Why a task is in its state: one of a fixed set of texts, never the gateway's message."""
    return say(language, f"reason-{task.reason or 'unknown'}")


def status_text(language: str, task: Task, view: Outlook) -> str:
    """The status of a task in one line."""
    facts: dict[str, str | int] = {"task": task.id}
    match task.state:
        case State.QUEUED:
            facts["expected"] = _expected(language, view)
        case State.RUNNING:
            known = view.remaining is not None
            facts["expected"] = _expected(language, view) if known else ""
            facts["percent"] = "" if task.percent is None else round(task.percent)
        case State.FETCHING:
            facts["reason"] = reason_text(language, task) if task.reason == DISK_FULL else ""
        case State.FAILED | State.REVIEW | State.UNDELIVERED:
            facts["reason"] = reason_text(language, task)
    return say(language, f"status-{task.state}", **facts)


def task_line(language: str, task: Task, view: Outlook) -> str:
    """A task in a list: its status and the start of its prompt."""
    about_it = _short(task.order.prompt, _PROMPT_IN_LISTS)
    return f"{status_text(language, task, view)} {about_it}".rstrip()


def delivery_text(task: Task, *, repeated: bool) -> str:
    """The caption of the finished video."""
    sentence = "delivered-again" if repeated else "delivered"
    return say(
        task.language,
        sentence,
        task=task.id,
        prompt=_short(task.order.prompt, _PROMPT_BESIDE_VIDEO),
    )


def too_large_text(task: Task, size: int, limit: int, link: str | None, kept_for: float) -> str:
    """Why only a preview or a link is posted, and how to get the full video."""
    facts: dict[str, str | int] = {
        "task": task.id,
        "size": _megabytes(size),
        "limit": _megabytes(limit),
        "days": round(kept_for / 86400),
    }
    if link is not None:
        return say(task.language, "too-large-link", **facts, link=link)
    return say(task.language, "too-large-kept", **facts)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f}" if count >= 10_000_000 else f"{count / 1e6:.1f}"


def last_word(task: Task) -> str:
    """The final message of a task without a video, including what happened to the credits."""
    facts: dict[str, str | int] = {"task": task.id}
    if task.state in {State.FAILED, State.UNDELIVERED}:
        facts["reason"] = reason_text(task.language, task)
    if task.state is not State.UNDELIVERED:
        facts["price"] = task.price
    if task.state is State.FAILED:
        facts["charged"] = "yes" if task.reason == "resolved-charged" else "no"
    return say(task.language, f"word-{task.state}", **facts)


def _short(text: str, most: int) -> str:
    """Shorten to one line of at most `most` characters, at a word boundary if possible."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    head, space, _ = cut.rpartition(" ")
    return (head if space and len(head) > most // 2 else cut) + "\u2026"
