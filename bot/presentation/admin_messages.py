"""Texts of `/admin`: tasks, their history, and providers. English only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.domain.provider_health import BreakerState, ProviderHealth
from bot.domain.tasks import Task


def admin_task_line(task: Task, now: float) -> str:
    """A task in an admin's list. English only."""
    state_age = now - task.state_since
    reason = f" ({task.reason})" if task.reason else ""
    provider = f" at {task.provider}" if task.provider else ""
    state = f"{task.state}{reason} for {state_age:.0f} s{provider}"
    return f"{task.id}  {state}  {task.user_id}  {task.order.model}"


def admin_task_text(
    task: Task, history: Sequence[tuple[float, str | None, str, str | None, str | None]]
) -> str:
    """All details of a task and its history, error texts included."""
    order = task.order
    details = {
        "task": f"{task.id}, {task.state}, {task.price} credits, user {task.user_id}",
        "order": f"{order.model}, {order.seconds} s, {order.size}, {order.orientation}",
        "prompt": order.prompt,
        "image": order.image,
        "provider": f"{task.provider} as {task.remote_model}" if task.provider else None,
        "job": task.remote_id,
        "attempts": f"{task.attempts} failed in this state, {task.poll_count} polls",
        "file": f"{task.file}, {task.bytes} bytes" if task.file else None,
        "reason": task.reason,
        "message": task.provider_message,
    }
    lines = [f"{name}: {value}" for name, value in details.items() if value]
    return "\n".join([*lines, *(_event_line(*event) for event in history)])


def _event_line(
    at: float, old: str | None, new: str, reason: str | None, provider_message: str | None
) -> str:
    time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    details = "".join(f"  {detail}" for detail in (reason, provider_message) if detail)
    return f"{time} UTC  {old or ''} -> {new}{details}"


def admin_provider_text(
    name: str,
    kind: str,
    max_jobs: int,
    health: ProviderHealth,
    running_jobs: int,
    disabled_models: Sequence[tuple[str, float, str | None]],
    now: float,
) -> str:
    """The state of a provider in one line, and one more line per problem."""
    is_paused = health.paused_until is not None and health.paused_until > now
    summary = [health.mode.value, f"breaker {health.breaker}", f"{running_jobs} of {max_jobs} jobs"]
    lines = [f"{name} ({kind}): {', '.join(summary)}"]
    if is_paused or health.breaker is not BreakerState.CLOSED or health.consecutive_failures:
        retry_text = f", retry in {(health.paused_until or now) - now:.0f} s" if is_paused else ""
        failures = (
            f", {health.consecutive_failures} failures in a row"
            if health.consecutive_failures
            else ""
        )
        message = health.provider_message or "no message"
        lines.append(f"    {health.reason or 'failing'}{failures}{retry_text}: {message}")
    lines += [
        f"    {model} is no longer served, retry in {(until - now) / 3600:.1f} h:"
        f" {provider_message}"
        for model, until, provider_message in disabled_models
    ]
    return "\n".join(lines)
