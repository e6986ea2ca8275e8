"""The rules of credits that tests go by."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bot.credits.ledger import Rules

RULES = Rules(daily_credits=100, timezone=ZoneInfo("UTC"))
