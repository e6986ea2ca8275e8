"""Rules for components that are not in the description."""

from __future__ import annotations

import copy
from typing import Any

from tests.fakes.discord.error_responses import Problem, invalid_form_body
from tests.fakes.discord.messages import flat

Json = dict[str, Any]
ROW, BUTTON, LINK, PREMIUM = 1, 2, 5, 6
SELECTS = frozenset({3, 5, 6, 7, 8})
MOST_ROWS = 5
MOST = 40
LONGEST_TEXTS = 4000
_DEFAULTS: dict[int, Json] = {
    3: {"min_values": 1, "max_values": 1},
    5: {"min_values": 1, "max_values": 1},
    6: {"min_values": 1, "max_values": 1},
    7: {"min_values": 1, "max_values": 1},
    8: {"min_values": 1, "max_values": 1},
    12: {},
    13: {"spoiler": False, "name": None, "size": None},
    14: {"divider": True, "spacing": 1},
    17: {"accent_color": None, "spoiler": False},
    11: {"spoiler": False, "description": None},
}
_OPTIONAL = frozenset(
    {"custom_id", "label", "url", "emoji", "sku_id", "disabled", "placeholder", "default_values"}
    | {"channel_types"}
)
"""Never told as null."""


def check_components(components: list[Json], *, v2: bool) -> list[Json]:
    """Complete the components; refuse invalid combinations."""
    kept = copy.deepcopy(components)
    if not v2:
        _check_old(kept)
    everything = flat(kept)
    if v2 and len(everything) > MOST:
        words = f"The total number of components can't exceed {MOST}"
        invalid_form_body(
            Problem(("components",), "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", words)
        )
    texts = sum(len(component["content"]) for component in everything if component["type"] == 10)
    if texts > LONGEST_TEXTS:
        words = f"Total text size exceeds the maximum of {LONGEST_TEXTS}"
        invalid_form_body(
            Problem(("components",), "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", words)
        )
    _check_controls(kept, ("components",), set())
    return _filled(kept)


def _check_old(components: list[Json]) -> None:
    if len(components) > MOST_ROWS:
        invalid_form_body(
            Problem(("components",), "BASE_TYPE_MAX_LENGTH", "Must be 5 or fewer in length.")
        )
    for at, one in enumerate(components):
        if one["type"] != ROW:
            words = 'Value of field "type" must be one of (1,).'
            invalid_form_body(Problem(("components", str(at), "type"), "UNION_TYPE_CHOICES", words))


def _check_controls(components: list[Json], at: tuple[str, ...], known: set[str]) -> None:
    for number, one in enumerate(components):
        here = (*at, str(number))
        if one["type"] == ROW:
            _check_row(one, here)
        if one["type"] == BUTTON:
            _check_button(one, here)
        if one["type"] in SELECTS:
            _check_select(one, here)
        if custom_id := one.get("custom_id"):
            if custom_id in known:
                words = "Component custom id cannot be duplicated"
                invalid_form_body(
                    Problem((*here, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", words)
                )
            known.add(custom_id)
        _check_controls(one.get("components") or [], (*here, "components"), known)
        if accessory := one.get("accessory"):
            _check_controls([accessory], (*here, "accessory"), known)


def _check_row(one: Json, at: tuple[str, ...]) -> None:
    kinds = [part["type"] for part in one["components"]]
    if len(kinds) > 1 and any(kind in SELECTS for kind in kinds):
        words = "The specified component type takes the whole row"
        invalid_form_body(Problem((*at, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", words))


def _check_button(one: Json, at: tuple[str, ...]) -> None:
    if one["style"] == LINK:
        if not one.get("url"):
            invalid_form_body(Problem((*at, "url"), "BASE_TYPE_REQUIRED", "A url is required"))
        if one.get("custom_id"):
            words = "A custom id and url cannot both be specified"
            invalid_form_body(
                Problem(at, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", words)
            )
    elif not one.get("custom_id") and one["style"] != PREMIUM:
        invalid_form_body(
            Problem((*at, "custom_id"), "BASE_TYPE_REQUIRED", "This field is required")
        )
    elif one.get("url"):
        words = "A custom id and url cannot both be specified"
        invalid_form_body(Problem(at, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", words))
    if not one.get("label") and not one.get("emoji") and one["style"] != PREMIUM:
        words = "A button must have a label or an emoji"
        invalid_form_body(Problem(at, "BUTTON_COMPONENT_INVALID_LABEL", words))


def _check_select(one: Json, at: tuple[str, ...]) -> None:
    least, most = one.get("min_values"), one.get("max_values")
    options = one.get("options")
    if least is not None and most is not None and least > most:
        invalid_form_body(
            Problem((*at, "min_values"), "NUMBER_TYPE_MAX", f"Must not be more than {most}.")
        )
    if options is None:
        return
    values = [option["value"] for option in options]
    if len(set(values)) < len(values):
        words = "The specified option value is already used"
        invalid_form_body(
            Problem((*at, "options"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", words)
        )
    if most is not None and most > len(values):
        words = f"Must be {len(values)} or fewer."
        invalid_form_body(Problem((*at, "max_values"), "BASE_TYPE_MAX_LENGTH", words))


def _filled(components: list[Json]) -> list[Json]:
    """With the ids and defaults that Discord gives."""
    taken = {component["id"] for component in flat(components) if component.get("id")}
    free = (number for number in range(1, 10_000) if number not in taken)
    for component in flat(components):
        component["id"] = component.get("id") or next(free)
        for name, value in _DEFAULTS.get(component["type"], {}).items():
            if component.get(name) is None:
                component[name] = value
        for item in component.get("items") or []:
            item.setdefault("description", None)
            item["spoiler"] = bool(item.get("spoiler"))
        component.pop("required", None)
        for name in [
            name for name, value in component.items() if value is None and name in _OPTIONAL
        ]:
            del component[name]
        for holder in [component, *(component.get("options") or [])]:
            _prune(holder)
    return components


def _prune(holder: Json) -> None:
    """Options and signs are told without what is null."""
    if holder.get("emoji"):
        holder["emoji"] = {name: one for name, one in holder["emoji"].items() if one is not None}
    for name in ("description", "emoji", "default"):
        if "label" in holder and name in holder and holder[name] is None:
            del holder[name]
