"""What two relays of the official format document, where it is less than the official description.

Derived from their pages on creates and, for what those do not say, from their other pages;
`test_relay_schema.py` compares it with the pages where these are at hand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from tests.fakes.gateways.openai_schema import OPERATIONS, SECONDS, Field, Operation

Dialect = Literal["openai", "zenlayer", "relay147"]

_SMALL = frozenset({"720x1280", "1280x720"})
SIZES: dict[Dialect, dict[str, frozenset[str]]] = {
    "zenlayer": {"sora-2": _SMALL},
    "relay147": {"sora-2": _SMALL, "sora-2-pro": _SMALL | {"1024x1792", "1792x1024"}},
}
"""Dialect -> model -> its sizes."""

KEPT = {"zenlayer": 86400}
"""Seconds from the create for which a result is kept."""


def _create(dialect: Dialect) -> Operation:
    """Multipart only, and each field from a closed set."""
    models = SIZES[dialect]
    fields = dict(OPERATIONS["post", "/videos"].bodies["multipart/form-data"])
    fields |= {
        "model": Field("string", required=True, words=frozenset(models)),
        "seconds": Field("string", words=SECONDS),
        "size": Field("string", words=frozenset[str]().union(*models.values())),
    }
    return Operation({}, {"multipart/form-data": fields})


def _of(dialect: Dialect) -> dict[tuple[str, str], Operation]:
    known = {
        ("post", "/videos"): _create(dialect),
        ("get", "/videos/{video_id}"): OPERATIONS["get", "/videos/{video_id}"],
        ("get", "/videos/{video_id}/content"): Operation({}, {}),
    }
    if dialect == "zenlayer":
        remix = OPERATIONS["post", "/videos/{video_id}/remix"]
        # Its table says multipart and its example sends JSON; the example is believed.
        json_only = {"application/json": remix.bodies["application/json"]}
        known["post", "/videos/{video_id}/remix"] = replace(remix, bodies=json_only)
    return known


DOCUMENTED: dict[Dialect, dict[tuple[str, str], Operation]] = {
    "openai": OPERATIONS,
    "zenlayer": _of("zenlayer"),
    "relay147": _of("relay147"),
}
"""Dialect -> (method, path) -> what may be sent there. Nothing else is there."""


def contradictions(dialect: Dialect, body: dict[str, object]) -> list[str]:
    """What goes not together although each field is allowed."""
    model, size = str(body.get("model")), body.get("size")
    sizes = SIZES.get(dialect, {}).get(model)
    if sizes is None or size is None or size in sizes:
        return []
    return [f"{size} is no size of {model}"]


def render_job_as(dialect: Dialect, video: dict[str, Any]) -> dict[str, Any]:
    """A job as the relay's examples show it."""
    if dialect == "zenlayer":
        kept = video["created_at"] + KEPT["zenlayer"] if video["completed_at"] else None
        return {name: value for name, value in video.items() if name != "prompt"} | {
            "expires_at": kept
        }
    if dialect == "relay147":
        hidden = {"prompt", "expires_at", "remixed_from_video_id"}
        hidden |= {name for name in ("error", "completed_at") if video[name] is None}
        shown = {name: value for name, value in video.items() if name not in hidden}
        return shown | {"model": "sora2_video_generation", "quality": "standard"}
    return video
