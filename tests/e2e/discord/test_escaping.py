"""Whatever people write into a prompt calls nobody, breaks out of nothing and unfolds nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support.catalog_files import model_toml, write_file

ALIVE = frozenset("*_~|`[]<>")
"""What is markup wherever it stands, unless a backslash stands before it."""
BEGINNINGS = re.compile(r"\s*(?:#{1,3} |-# |[-*+] |>|\d+\. )")
"""What is markup at the beginning of a line."""
NAMES = re.compile(r"<(#|@&|t:)\d+(:R)?>")
"""What texts of the bot may mention in an embed, where nobody is notified."""
INVISIBLE = "\u2060"
LONGEST = 4000
FITS = 1500
"""Characters of a prompt that stand beside its video."""
PROMPTS = {
    "everyone": "@everyone look at this kite, and @here too",
    "person": "a kite for <@{bob}> and <@!{bob}>",
    "role": "a kite for <@&{role}> in <#{channel}>",
    "command": "a kite, then </forgetme:123456789012345678>",
    "moment": "a kite at <t:0:R> and <t:1700000000>",
    "emoji": "a kite <:kite:123456789012345678> <a:kite:123456789012345678>",
    "bold": "**a kite** *on* __the__ _sea_ ***wild*** ~~calm~~",
    "hidden": "||a kite|| behind a |wall|",
    "code": "`a kite` ```py\nprint('kite')\n``` and ``one`",
    "link": "[a kite](https://evil.example/kite) [sea](<https://evil.example>)",
    "invite": "a kite https://discord.gg/kites discord.com/invite/kites",
    "address": "a kite like https://evil.example/kite_of_*stars*_.png <https://evil.example>",
    "heading": "# a kite\n## on the sea",
    "small": "-# a kite on the sea",
    "quote": "> a kite\n>>> on the sea",
    "list": "- a kite\n- on the sea",
    "numbers": "1. a kite\n2. on the sea",
    "backslash": "a kite \\ \\* \\\\* \\",
    "right to left": "a kite \u202e\u05e2\u05e4\u05d9\u05e4\u05d5\u05df \u2067over the sea",
    "stacked": "a k\u0300\u0301\u0302\u0303ite\u200b\u200d\ufeff on the sea",
    "control": "a kite\x00\x1b[31m on\x07 the sea",
    "faces": "\U0001f3a5\U0001fa81" * 50,
}


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser) -> Channel:
    """The channel of her request."""
    return discord.guild("Kites", [discord.user("Bob"), ann]).text("general")


def _filled(prompt: str, general: Channel) -> str:
    assert general.guild is not None
    role = general.guild.role("Patrons")
    bob = general.guild.owner
    return prompt.format(bob=bob.id, role=role.id, channel=general.id)


def _as_read(raw: str) -> str:
    """What somebody reads where this stands; fails where any of it is markup."""
    for line in raw.splitlines():
        assert not BEGINNINGS.match(line), f"{line!r} begins with markup"
    read, escaping = [], False
    for sign in raw:
        if not escaping and sign == "\\":
            escaping = True
            continue
        if escaping and (sign.isalnum() or sign.isspace()):
            # A backslash hides nothing there, and is seen itself.
            read.append("\\")
        assert escaping or sign not in ALIVE, f"{sign!r} is markup in {raw!r}"
        read.append(sign)
        escaping = False
    assert not escaping, f"{raw!r} ends with half of something"
    return "".join(read).replace(INVISIBLE, "")


def _calls_nobody(discord: FakeDiscord, ann: FakeUser) -> None:
    """Every message names in the call itself whom it may call at the most: Ann."""
    for call in discord.calls:
        body = call.body or {}
        message = body.get("data") or body if isinstance(body, dict) else {}
        if not {"content", "embeds"} & message.keys():
            continue
        allowed = message["allowed_mentions"]
        assert not allowed.get("parse")
        assert not allowed.get("roles")
        assert set(allowed.get("users") or []) <= {str(ann.id), ann.id}
        assert (message.get("content") or "") in {"", ann.mention}


def _description(message: Message) -> str:
    """What stands in its only embed; nothing of it unfolds or calls, as all else could."""
    (embed,) = message.embeds
    assert set(embed) <= {"type", "flags", "description", "footer"}
    return str(embed["description"])


@pytest.mark.parametrize("kind", PROMPTS)
async def test_prompt_is_shown_literally(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, general: Channel, kind: str
) -> None:
    """Beside the video, in lists and in forms it reads as typed, and has no effect."""
    prompt = _filled(PROMPTS[kind], general)
    kept = re.sub(r"[\x00\x07\x1b]", "", prompt)
    line = " ".join(kept.split())
    async with run_with_gateway():
        await ann.uses("/video", channel=general, prompt=prompt)
        video = await general.shows_video()
        await general.until(lambda channel: channel.from_bot == [video])
        tasks = await (await ann.uses("/tasks", channel=general)).shows("Your newest tasks:")
        form = await (await ann.presses(video, "Again")).modal
        choices = await ann.types("/fetch", channel=general, task="")
    assert video.pings == [ann]
    assert not video.pings_everyone
    assert video.content == ann.mention
    assert _as_read(_description(video)) == line
    assert tasks.pings == []
    listed = _as_read(NAMES.sub("it", _description(tasks))).splitlines()
    assert len(listed) == 2
    assert line[:40].split()[0] in listed[1]
    assert form.fields[0].value == kept
    assert len(choices) == 1
    assert "\n" not in choices[0].name
    _calls_nobody(discord, ann)


@pytest.mark.parametrize("sign", ["k", "*", "@a ", "\u6d77", "\U0001fa81", "a\n", "1. a\n", "`"])
async def test_long_prompt_is_made_and_shown_shortened(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    ann: FakeUser,
    general: Channel,
    sign: str,
    gateway: FakeOpenAIGateway,
) -> None:
    """4000 characters are made; what is shown keeps every limit and says that it was cut."""
    prompt = (sign * LONGEST)[:LONGEST].strip().ljust(LONGEST, "k")
    async with run_with_gateway(ADMINS=f"discord:{ann.id}"):
        await ann.uses("/video", channel=general, prompt=prompt)
        video = await general.shows_video()
        task = video.text.split()[-1]
        form = await (await ann.presses(video, "Again")).modal
        sent = await ann.submits(form)
        await general.shows_video(times=2)
        await (await ann.uses("/tasks", channel=general)).shows("Your newest tasks:")
        shown = await ann.uses("/admin task", channel=ann.dm, task=task)
        await shown.shows("running")
        await ann.types("/fetch", channel=general, task=sign.strip()[:1])
    assert gateway.creates == {prompt: 2}
    assert (await sent.answer).kind == "thinking"
    read = _as_read(_description(video))
    assert read.endswith("\u2026")
    assert FITS // 2 < len(read) <= FITS
    whole = [_description(message) for message in shown.messages if message.embeds]
    assert sum(len(text) for text in whole) > LONGEST // 2
    for part in whole:
        _as_read(part)
    _calls_nobody(discord, ann)


async def test_refused_text_is_repeated_literally(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, general: Channel, tmp_path: Path
) -> None:
    """Users' words in a refusal have no effect either."""
    known = model_toml(offers='[{ kind = "openai", model = "sora-2" }]')
    async with run_with_gateway(CATALOG_FILE=str(write_file(tmp_path, known))):
        for name in ("@everyone", "**bold** [a](https://evil.example)", "`code`", "\u202ekite"):
            use = await ann.uses("/video", channel=general, prompt="a kite", model=name)
            told = await use.shows("There is no model")
            assert f'There is no model "{name}".' in _as_read(_description(told))
            task = name.replace(" ", "")
            told = await (await ann.uses("/cancel", channel=general, task=task)).shows("not a task")
            assert task in _as_read(_description(told))
    _calls_nobody(discord, ann)
