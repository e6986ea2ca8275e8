"""What a user's app sends for a list or a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.discord import serializers as shown
from tests.fakes.discord.channels import Channel, Role
from tests.fakes.discord.interactions import Field, Modal
from tests.fakes.discord.messages import Account, Message
from tests.fakes.discord.option_input import ImageFile
from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]
_TEXT, _OPTIONS, _UPLOAD, _RADIO, _CHECKS, _CHECK = 4, 3, 19, 21, 22, 23
Wanted = str | Account | Channel | Role


def select_data(
    world: DiscordState, message: Message, wanted: Sequence[Wanted]
) -> tuple[Json, str]:
    """(The `data` of a choice from a list of a message, what a person sees of it)."""
    for select in message.selects:
        if select.get("disabled"):
            continue
        found = _values(world, message.channel, select, wanted)
        if found is not None:
            values, words, resolved = found
            least, most = select.get("min_values", 1), select.get("max_values", 1)
            assert least <= len(values) <= most, f"{least} to {most} must be chosen"
            data: Json = {"custom_id": select["custom_id"], "component_type": select["type"]}
            data["values"] = values
            if resolved:
                data["resolved"] = resolved
            return data, words
    raise AssertionError(f"no list has {wanted} below {message.text!r}")


def _values(
    world: DiscordState, channel: Channel, select: Json, wanted: Sequence[Wanted]
) -> tuple[list[str], str, Json] | None:
    """(Values, what is seen, what they are), if the list has all of them."""
    if select["type"] == _OPTIONS:
        known = {option["label"]: option["value"] for option in select["options"]}
        known |= {option["value"]: option["value"] for option in select["options"]}
        if not all(choice in known for choice in wanted):
            return None
        return (
            [known[choice] for choice in wanted if isinstance(choice, str)],
            ", ".join(map(str, wanted)),
            {},
        )
    resolved: Json = {}
    names = []
    for choice in wanted:
        if isinstance(choice, str):
            return None
        kind, told = _told(world, channel, choice)
        resolved.setdefault(kind, {})[str(choice.id)] = told
        names.append(choice.name)
    return (
        [str(choice.id) for choice in wanted if not isinstance(choice, str)],
        ", ".join(names),
        resolved,
    )


def _told(world: DiscordState, channel: Channel, one: Account | Channel | Role) -> tuple[str, Json]:
    if isinstance(one, Account):
        return "users", shown.user(one)
    if isinstance(one, Role):
        assert channel.guild is not None
        return "roles", shown.role(channel.guild, one)
    return "channels", shown.channel(one, permissions=world.rights(one, world.bot))


def modal_data(
    world: DiscordState, modal: Modal, values: Mapping[str, Any]
) -> tuple[Json, list[str]]:
    """(The `data` of a form that was sent, what a person sees of it)."""
    fields = {field.custom_id: field for field in modal.fields}
    given: dict[str, Any] = {}
    for name, value in values.items():
        given[_field_named(modal, name).custom_id] = value
    resolved: Json = {}
    lines, parts = [], {}
    for custom_id, one in fields.items():
        part, words = _filled(world, modal, one, given.get(custom_id), resolved)
        parts[custom_id] = part
        lines.append(f"{one.label}: {words}")
    data: Json = {"custom_id": modal.custom_id}
    data["components"] = [_laid_out(one, number, parts) for number, one in
                          enumerate(modal.components, 1)]  # fmt: skip
    if resolved:
        data["resolved"] = resolved
    return data, lines


def _field_named(modal: Modal, name: str) -> Field:
    for field in modal.fields:
        if name in {field.custom_id, field.label, field.label.lower().replace(" ", "_")}:
            return field
    raise AssertionError(f"no field {name!r} among {[field.label for field in modal.fields]}")


def _laid_out(one: Json, number: int, parts: Mapping[str, Json]) -> Json:
    told: Json = {"type": one["type"], "id": one.get("id") or number}
    if one["type"] == 1:
        told["components"] = [parts[part["custom_id"]] for part in one["components"]]
    if one["type"] == 18:
        told["component"] = parts[one["component"]["custom_id"]]
    return told


def _filled(
    world: DiscordState, modal: Modal, one: Field, given: Any, resolved: Json
) -> tuple[Json, str]:
    """(A part of what is sent, what a person sees of it)."""
    part = one.part
    told: Json = {"type": part["type"], "custom_id": one.custom_id, "id": part.get("id") or 1}
    required = part.get("required", True)
    if part["type"] == _TEXT:
        text = one.value if given is None else given
        least, most = part.get("min_length") or 0, part.get("max_length") or 4000
        assert text or not required, f"{one.label} must be filled in"
        assert not text or least <= len(text) <= most, f"{one.label}: not {least} to {most}"
        return told | {"value": text}, text
    if part["type"] == _CHECK:
        on = part.get("default", False) if given is None else given
        return told | {"value": on}, "yes" if on else "no"
    if part["type"] == _UPLOAD:
        return _uploaded(world, modal, told, given or [], resolved)
    wanted = given if isinstance(given, list | tuple) else [] if given is None else [given]
    if part["type"] in {_RADIO, _CHECKS}:
        part = part | {"type": _OPTIONS}
    if given is None and part["type"] == _OPTIONS:
        wanted = [option["value"] for option in part["options"] if option.get("default")]
    found = _values(world, modal.interaction.channel, part, wanted)
    assert found is not None, f"{one.label}: {wanted} is not offered"
    assert found[0] or not required, f"{one.label} must be filled in"
    resolved.update(found[2])
    if told["type"] == _RADIO:
        return told | {"value": found[0][0] if found[0] else None}, found[1]
    return told | {"values": found[0]}, found[1]


def _uploaded(
    world: DiscordState, modal: Modal, told: Json, given: Any, resolved: Json
) -> tuple[Json, str]:
    files = given if isinstance(given, list | tuple) else [given]
    channel = modal.interaction.channel
    values = []
    for file in files:
        it = file if isinstance(file, ImageFile) else ImageFile(file)
        kept = it.brought(world, channel, ephemeral=True)
        resolved.setdefault("attachments", {})[str(kept.id)] = shown.attachment(kept, channel)
        values.append(str(kept.id))
    return told | {"values": values}, ", ".join(f"⟨{world.cdn.files[int(value)].shown()}⟩"
                                                for value in values)  # fmt: skip
