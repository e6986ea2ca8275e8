"""Texts of `/admin`: tasks, their history, and providers. English only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.domain.provider_health import Breaker, Health
from bot.domain.tasks import Task


def admin_task_line(task: Task, now: float) -> str:
    """A task in an admin's list. English only."""
    age = now - task.moved_at
    why = f" ({task.reason})" if task.reason else ""
    where = f" at {task.provider}" if task.provider else ""
    return f"{task.id}  {task.state}{why} for {age:.0f} s{where}  {task.person}  {task.order.model}"


def admin_task_text(
    task: Task, history: Sequence[tuple[float, str | None, str, str | None, str | None]]
) -> str:
    """All details of a task and its history, error texts included."""
    order = task.order
    facts = {
        "task": f"{task.id}, {task.state}, {task.price} credits, user {task.person}",
        "order": f"{order.model}, {order.seconds} s, {order.size}, {order.orientation}",
        "prompt": order.prompt,
        "picture": order.image,
        "provider": f"{task.provider} as {task.remote_model}" if task.provider else None,
        "job": task.remote_id,
        "attempts": f"{task.attempts} failed in this state, {task.looks} polls",
        "file": f"{task.file}, {task.bytes} bytes" if task.file else None,
        "reason": task.reason,
        "message": task.raw,
    }
    lines = [f"{name}: {fact}" for name, fact in facts.items() if fact]
    return "\n".join([*lines, *(_event_line(*event) for event in history)])


def _event_line(at: float, old: str | None, new: str, reason: str | None, raw: str | None) -> str:
    time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    why = "".join(f"  {word}" for word in (reason, raw) if word)
    return f"{time} UTC  {old or ''} -> {new}{why}"


def admin_provider_text(
    name: str,
    kind: str,
    places: int,
    known: Health,
    jobs: int,
    off: Sequence[tuple[str, float, str | None]],
    now: float,
) -> str:
    """The state of a provider in one line, and one more line per problem."""
    paused = known.paused_until is not None and known.paused_until > now
    how = [known.mode.value, f"breaker {known.breaker}", f"{jobs} of {places} jobs"]
    lines = [f"{name} ({kind}): {', '.join(how)}"]
    if paused or known.breaker is not Breaker.CLOSED or known.failures:
        rest = f", retry in {(known.paused_until or now) - now:.0f} s" if paused else ""
        failures = f", {known.failures} failures in a row" if known.failures else ""
        why = known.raw or "no message"
        lines.append(f"    {known.reason or 'failing'}{failures}{rest}: {why}")
    lines += [
        f"    {model} is no longer served, retry in {(until - now) / 3600:.1f} h: {raw}"
        for model, until, raw in off
    ]
    return "\n".join(lines)
