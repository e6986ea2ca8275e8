"""A running bot and a fake Telegram that records every violation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from bot.app import Components
from bot.frontends.telegram import Telegram as FrontEnd
from bot.frontends.telegram.rate_limiter import RateLimits
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.support.bot_in_process import running_bot, settings

FAST_RATE_LIMITS = RateLimits(
    overall=1000,
    private_every=0.01,
    group_most=1000,
    edit_every_group=0.05,
    edit_every_private=0.05,
    group_reserve=0,
    overall_reserve=0,
)
"""Limits for tests that are not about them."""

RunBot = Callable[..., AbstractAsyncContextManager[Components]]


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    """The fake server; the test fails if it has recorded a violation."""
    async with FakeTelegram() as telegram:
        yield telegram
    assert telegram.violations == []


@pytest.fixture
def run_bot(telegram: FakeTelegram, tmp_path: Path) -> RunBot:
    """Run Reelay against it, in the same folder each time; settings by keyword."""

    @asynccontextmanager
    async def bot(**environ: str) -> AsyncIterator[Components]:
        own = settings(
            tmp_path,
            TELEGRAM_BOT_TOKEN=TOKEN,
            TELEGRAM_API_URL=telegram.url,
            TELEGRAM_UPLOAD_MB="50",
            **environ,
        )
        async with running_bot(own, [FrontEnd(own, rules=FAST_RATE_LIMITS)]) as parts:
            yield parts

    return bot


@pytest.fixture
async def run_with_gateway(run_bot: RunBot) -> AsyncIterator[RunBot]:
    """Run Reelay with a gateway that finishes videos at once."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1) as gateway:
        yield partial(
            run_bot,
            PROVIDERS__LOCAL__KIND="openai",
            PROVIDERS__LOCAL__API_KEY=KEY,
            PROVIDERS__LOCAL__BASE_URL=gateway.url,
        )
    assert gateway.violations == []
