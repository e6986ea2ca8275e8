"""Deliver a result to its chat: fit it, post it once, look it up if a send is in doubt."""

from __future__ import annotations

import structlog

from bot.domain.tasks import Delivery, State, Task
from bot.engine.context import EngineContext
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.engine.poll_schedule import GIVE_UP_AFTER_S
from bot.media.links import PublishError
from bot.media.storage import DiskFull
from bot.ports import DeliveryError, DeliveryOutcomeUnknown, Messenger
from bot.presentation.task_messages import DISK_FULL, delivery_caption
from bot.services.packaging import DeliveryPayload, prepare_delivery
from bot.store import deliveries, tasks
from bot.store.database import Tx

_log = structlog.get_logger(__name__)
_DISK_FULL_RETRY_S = 60.0
"""Until the next attempt when there was no disk space to re-encode a video."""
_LINK_RECEIPT = "link"
"""The receipt of a result that was posted as a link only."""


async def deliver(task: Task, engine: EngineContext) -> Outcome:
    """Post the result. If an earlier send may have succeeded, look for it; else repeat it once."""
    delivery = await engine.database.read(lambda tx: deliveries.get(tx, task.id))
    messenger = engine.messengers.get(delivery.destination.front_end)
    if messenger is None:
        return Snooze(engine.clock.now() + 60.0)
    may_be_sent = delivery.state == "sending"
    if may_be_sent:
        receipt = await messenger.find_delivered(task, delivery)
        if receipt is not None:
            return _delivered(task, engine, receipt)
        if delivery.repeated:
            return _undelivered(task, "send-unclear")
    try:
        max_bytes = messenger.max_video_bytes(delivery.destination)
        payload = await prepare_delivery(engine, task, max_bytes, engine.limits.result_retention_s)
    except FileNotFoundError:
        return Advance(State.UNDELIVERED, reason="file-lost")
    except DiskFull as error:
        changes = {"reason": DISK_FULL, "raw": str(error)}
        return Snooze(engine.clock.now() + _DISK_FULL_RETRY_S, changes=changes)
    except PublishError as error:
        return _send_failed(task, engine, DeliveryError("too-large", str(error)))
    if payload.video is None and not payload.note:
        return _undelivered(task, "too-large")
    repeated = may_be_sent or delivery.repeated
    started = await engine.database.transact(
        lambda tx: _begin_send(tx, task, engine, repeated=repeated)
    )
    if started is None:
        # Another worker holds the lease now and delivers the result.
        return Snooze(engine.clock.now())
    return await _send(task, engine, messenger, started, payload)


async def _send(
    task: Task,
    engine: EngineContext,
    messenger: Messenger,
    delivery: Delivery,
    payload: DeliveryPayload,
) -> Outcome:
    try:
        if payload.video is None:
            text = delivery_caption(task, repeated=delivery.repeated)
            await messenger.send_final_message(task, f"{text}\n{payload.note}")
            receipt = _LINK_RECEIPT
        else:
            receipt = await messenger.deliver(task, delivery, payload.video, payload.note)
    except DeliveryOutcomeUnknown as error:
        return Snooze(engine.clock.now() + 2.0, failed=True, provider_message=str(error))
    except DeliveryError as error:
        return _send_failed(task, engine, error)
    return _delivered(task, engine, receipt)


# --- storing it --------------------------------------------------------------------------


def _begin_send(tx: Tx, task: Task, engine: EngineContext, *, repeated: bool) -> Delivery | None:
    """Record the start of a send. None: the lease is lost, or the result was sent already."""
    lease_until = engine.clock.now() + engine.limits.lease_s
    if not tasks.change(tx, task, due_at=lease_until):
        return None
    if not deliveries.begin_send(tx, task.id, repeated=repeated):
        return None
    return deliveries.get(tx, task.id)


def _delivered(task: Task, engine: EngineContext, receipt: str) -> Outcome:
    now = engine.clock.now()
    return Advance(
        State.DONE, in_transaction=lambda tx: deliveries.mark_sent(tx, task.id, receipt, now)
    )


def _undelivered(task: Task, reason: str, provider_message: str = "") -> Outcome:
    def mark_unsent(tx: Tx) -> None:
        if reason != "send-unclear":
            deliveries.mark_unsent(tx, task.id)

    return Advance(
        State.UNDELIVERED,
        reason=reason,
        provider_message=provider_message or None,
        in_transaction=mark_unsent,
    )


def _send_failed(task: Task, engine: EngineContext, error: DeliveryError) -> Outcome:
    now = engine.clock.now()
    if error.is_permanent or now - task.state_since > GIVE_UP_AFTER_S:
        return _undelivered(task, error.reason, str(error))
    # A rate limit with a retry time is not a failure and must not increase the back-off.
    failed = error.retry_after is None
    delay = engine.backoff(task.attempts if failed else 0, error.retry_after)
    return Snooze(
        now + delay,
        failed=failed,
        provider_message=str(error),
        in_transaction=lambda tx: deliveries.mark_unsent(tx, task.id),
    )
