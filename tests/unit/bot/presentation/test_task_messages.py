"""Texts about a task: its state, its expected end, and what happened to the credits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.catalog.job_durations import DurationSamples
from bot.domain.tasks import Destination, Order, State, Task
from bot.presentation.i18n import LANGUAGES
from bot.presentation.task_messages import (
    Eta,
    accepted_text,
    delivery_caption,
    final_message,
    remaining_seconds,
    status_text,
    task_line,
    too_large_text,
)

NOW = 1_800_000_000.0
ORDER = Order(
    model="sora-2",
    prompt="a red kite",
    seconds=4,
    size="1280x720",
    width=1280,
    height=720,
    orientation="landscape",
)
TASK = Task(
    "abcd2345",
    "console:a",
    State.QUEUED,
    ORDER,
    4,
    Destination("console"),
    NOW,
    NOW,
    NOW,
    language="en",
)


def task(state: State = State.QUEUED, **changes: Any) -> Task:
    return replace(TASK, state=state, **changes)


def test_accepted_text_has_id_price_end_and_credits() -> None:
    text = accepted_text("en", TASK, Eta(125.0, 0, NOW), 56)
    assert text == (
        "Task abcd2345: 4 credits. It should be ready in about 2 min. You have 56 left."
    )


def test_public_accepted_text_hides_the_credits() -> None:
    text = accepted_text("en", TASK, Eta(), None)
    assert "left" not in text
    assert "not known yet" in text
    assert "shared wallet" in accepted_text("en", TASK, Eta(), None, paid_by_group=True)


def test_queue_position_is_shown() -> None:
    assert "2 tasks are ahead" in status_text("en", TASK, Eta(tasks_ahead=2))
    assert "One task is ahead" in status_text("en", TASK, Eta(tasks_ahead=1))
    assert "ahead" not in status_text("en", TASK, Eta(tasks_ahead=0))


def test_countdown_replaces_the_remaining_time() -> None:
    eta = Eta(60.0, 0, NOW, format_countdown=lambda moment: f"<{moment:.0f}>")
    assert f"<{NOW + 60:.0f}>" in status_text("en", TASK, eta)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_a_status_text(language: str, state: State) -> None:
    found = task(state, reason="moderation", percent=42.4)
    text = status_text(language, found, Eta())
    assert "abcd2345" in text
    assert ("42 %" in text or "42%" in text) == (state is State.RUNNING)


def test_progress_predicts_the_end_before_samples_do() -> None:
    running = task(State.RUNNING, percent=50.0, running_at=NOW - 30, submitted_at=NOW - 30)
    assert remaining_seconds(running, DurationSamples((300.0,)), NOW) == 30.0


def test_little_progress_is_not_extrapolated() -> None:
    running = task(State.RUNNING, percent=4.0, running_at=NOW - 30, submitted_at=NOW - 30)
    assert remaining_seconds(running, None, NOW) is None
    assert remaining_seconds(running, DurationSamples((100.0,)), NOW) == 70.0


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (State.FAILED, "moderation", "You got 4 credits back"),
        (State.FAILED, "resolved-charged", "do not get 4 credits back"),
        (State.CANCELLED, None, "You got 4 credits back"),
        (State.REVIEW, "unclear", "set aside"),
        (State.UNDELIVERED, "blocked", "/fetch abcd2345"),
    ],
)
def test_final_message_tells_what_happened_to_the_credits(
    state: State, reason: str | None, words: str
) -> None:
    assert words in final_message(task(state, reason=reason))


def test_provider_text_is_shown_to_no_user() -> None:
    found = task(State.FAILED, reason="moderation", provider_message="raw words of the gateway")
    for text in (
        final_message(found),
        status_text("en", found, Eta()),
        task_line("en", found, Eta()),
    ):
        assert "raw words" not in text


def test_long_prompt_is_shortened_at_a_word() -> None:
    found = task(State.DONE, order=replace(ORDER, prompt="kite " * 100))
    line = task_line("en", found, Eta())
    assert line.endswith("kite…")
    assert len(line) < 100
    assert len(delivery_caption(found, repeated=False)) < 250


def test_repeated_delivery_is_marked() -> None:
    found = task(State.DELIVERING)
    assert delivery_caption(found, repeated=True) != delivery_caption(found, repeated=False)


@pytest.mark.parametrize(("size", "shown"), [(9_949_999, "9.9 MB"), (123_456_789, "123 MB")])
def test_too_large_text_names_both_sizes_and_the_way_out(size: int, shown: str) -> None:
    text = too_large_text(TASK, size, 8_000_000, "https://example.org/f", 30 * 86400)
    assert shown in text
    assert "8.0 MB" in text
    assert "30 days" in text
    assert "https://example.org/f" in text
    assert "kept for 30 days" in too_large_text(TASK, size, 8_000_000, None, 30 * 86400)
