"""Credit limits used by tests."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bot.credits.ledger import CreditRules

CREDIT_LIMITS = CreditRules(daily_credits=100, timezone=ZoneInfo("UTC"))
