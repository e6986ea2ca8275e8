"""`reelay check` for Telegram: who the bot is, or exactly why it cannot serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.check import CheckResult, run_checks
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.updates import Webhook
from tests.support.bot_in_process import settings

SOMEBODY_ELSES = "5550001111:AAF-somebody-elses-0123456789abcdefghi"
NOBODY = "http://127.0.0.1:1"
BY_WEBHOOK = {
    "PUBLIC_URL": NOBODY,
    "TELEGRAM_WEBHOOK_SECRET": "a-secret-of-ours",
    "HTTP_PORT": "8080",
}
REFUSED = "Connection refused"


async def rows(folder: Path, telegram: FakeTelegram, **environ: str) -> dict[str, CheckResult]:
    """The table by its names, and no token in it."""
    usual = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": telegram.url}
    found = {row.name: row for row in await run_checks(settings(folder, **(usual | environ)))}
    for token in (TOKEN, SOMEBODY_ELSES):
        assert token.partition(":")[2] not in str(found)
    return found


async def test_check_describes_the_bot(telegram: FakeTelegram, tmp_path: Path) -> None:
    """Its name, how it gets updates, its group privacy; and the check changes nothing."""
    found = await rows(tmp_path, telegram)
    assert found["telegram"] == CheckResult(
        "telegram",
        ok=True,
        text="@reelay_standin_bot, by long polling; "
        "in groups it hears only commands and replies to it",
    )
    assert found["settings"].text == "ok; front-ends: telegram"
    telegram.privacy = False
    found = await rows(tmp_path, telegram, **BY_WEBHOOK)
    assert found["telegram"].text == (
        f"@reelay_standin_bot, by webhook at {NOBODY}/telegram/webhook, "
        "which is not set there now: a start sets it; in groups it hears everything"
    )
    assert {call.method for call in telegram.calls} == {"getMe", "getWebhookInfo"}


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        (
            {"TELEGRAM_BOT_TOKEN": SOMEBODY_ELSES},
            "TELEGRAM_BOT_TOKEN: Telegram does not know it; write what BotFather gives",
        ),
        ({"TELEGRAM_API_URL": NOBODY}, f"{NOBODY}: Telegram cannot be reached"),
    ],
)
async def test_check_tells_an_unknown_token_from_an_unreachable_server(
    telegram: FakeTelegram, tmp_path: Path, environ: dict[str, str], why: str
) -> None:
    """Two reasons."""
    found = await rows(tmp_path, telegram, **environ)
    assert found["telegram"] == CheckResult("telegram", ok=False, text=why)


@pytest.mark.parametrize("address", ["http://bot.example.org", "https://bot.example.org:8080"])
async def test_check_reports_an_address_that_telegram_refuses(
    telegram: FakeTelegram, tmp_path: Path, address: str
) -> None:
    """Before Telegram is asked; a local Bot API server may call any address."""
    own = {**BY_WEBHOOK, "PUBLIC_URL": address}
    found = await rows(tmp_path, telegram, **own)
    assert found["telegram"].ok
    found = await rows(tmp_path, telegram, **own, TELEGRAM_API_URL="https://api.telegram.org")
    assert found["telegram"] == CheckResult(
        "telegram",
        ok=False,
        text=f"PUBLIC_URL: Telegram does not call {address}; write one with https, and with"
        " no port or one of 443, 80, 88 and 8443",
    )


async def test_check_reports_an_address_that_is_no_bot_api(
    telegram: FakeTelegram, tmp_path: Path
) -> None:
    """Another server answers there."""
    async with FakeOpenAIGateway() as elsewhere:
        found = await rows(tmp_path, telegram, TELEGRAM_API_URL=elsewhere.url)
    assert not found["telegram"].ok
    assert found["telegram"].text == f"{elsewhere.url}: HTTP 404 without JSON"


async def test_check_reports_an_unreachable_webhook(telegram: FakeTelegram, tmp_path: Path) -> None:
    """Telegram's last error is shown as long as updates wait."""
    hook = f"{NOBODY}/telegram/webhook"
    await telegram.world.updates.set_webhook(Webhook(hook, "a-secret-of-ours", 40))
    telegram.world.updates.pause()
    await telegram.user("Ann").says("/start")
    telegram.world.updates.last_error = REFUSED
    found = await rows(tmp_path, telegram, **BY_WEBHOOK)
    assert found["telegram"] == CheckResult(
        "telegram",
        ok=False,
        text=f"Telegram does not get through to {hook}: {REFUSED} (1 updates wait)",
    )
