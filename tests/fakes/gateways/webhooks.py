"""Webhook events of a gateway, signed as in Standard Webhooks."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

WEBHOOK_SECRET = "whsec_" + b64encode(b"the secret of a stand-in").decode()


def signed_event(
    about: str, video_id: str, secret: str = WEBHOOK_SECRET, *, age: float = 0.0
) -> tuple[bytes, dict[str, str]]:
    """(body, headers) of an event of the official format, signed `age` seconds ago."""
    event, at = f"evt_{secrets.token_hex(8)}", datetime.now(UTC) - timedelta(seconds=age)
    told = {"id": event, "object": "event", "created_at": int(at.timestamp()), "type": about}
    body = json.dumps(told | {"data": {"id": video_id}})
    headers = {
        "content-type": "application/json",
        "webhook-id": event,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event, at, body),
    }
    return body.encode(), headers
