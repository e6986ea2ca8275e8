"""The finished video: what apps need to show it, a caption that fits, and no second upload."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from bot.frontends.telegram import Telegram as FrontEnd
from bot.frontends.telegram.rendering import truncate
from tests.e2e.telegram.conftest import FAST_RATE_LIMITS, RunBot
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.text import covered_text, units
from tests.fakes.telegram.users import FakeUser
from tests.support.bot_in_process import running_bot, settings

LONGEST_CAPTION = 1024
FACTS = "sora-2, 4 s \u00b7 "


@pytest.fixture
async def run_with_gateway(run_bot: RunBot) -> AsyncIterator[RunBot]:
    """A bot whose videos are made at once, and tiny."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1) as gateway:
        yield partial(
            run_bot,
            PROVIDERS__LOCAL__KIND="openai",
            PROVIDERS__LOCAL__API_KEY=KEY,
            PROVIDERS__LOCAL__BASE_URL=gateway.url,
            DAILY_CREDITS="1000",
        )
    assert gateway.violations == []


def _task(video: Message) -> str:
    return video.text.split()[-1]


async def _made(person: FakeUser, line: str = "/video a red kite") -> Message:
    """A finished video, once its status is gone."""
    await person.says(line)
    video = await person.chat.shows_video()
    await person.chat.until(lambda chat: chat.from_bot == [video])
    return video


# --- what is sent ------------------------------------------------------------------------


async def test_video_carries_size_length_and_thumbnail(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """And streaming support; an upload action precedes it."""
    ann = telegram.user("Ann")
    async with run_with_gateway():
        video = await _made(ann)
    (call,) = telegram.calls_to("sendVideo")
    assert (call.params["width"], call.params["height"]) == (64, 64)
    assert call.params["duration"] == 1
    assert call.params["supports_streaming"] is True
    assert call.params["parse_mode"] == "HTML"
    assert not call.params.get("has_spoiler")
    assert video.video is not None
    assert video.video.thumbnail is not None
    assert max(video.video.thumbnail.width, video.video.thumbnail.height) <= 320
    assert video.labels == ["Again", "Change it", "As file"]
    kinds = [(event.kind, event.text) for event in ann.chat.log if event.by_bot]
    assert ("action", "upload_video") in kinds[: kinds.index(("sent", video.text))]


async def test_spoiler_is_kept(telegram: FakeTelegram, run_with_gateway: RunBot) -> None:
    """Also when it is remixed or sent again."""
    ann = telegram.user("Ann")
    async with run_with_gateway():
        video = await _made(ann, "/video a red kite --spoiler")
        await ann.presses(video, "Again")
        await ann.chat.shows_video(times=2)
        await ann.says(f"/fetch {_task(video)}")
        await ann.chat.shows_video(times=3)
        films = [message for message in ann.chat.from_bot if message.video]
        assert [film.spoiler for film in films] == [True, True, True]
        await ann.says("/video a blue kite")
        plain = await ann.chat.shows_video(times=4)
    assert not plain.spoiler


async def test_video_is_posted_without_its_deleted_request(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """There is no message left to reply to."""
    ann = telegram.user("Ann")
    held = telegram.faults.add("sendVideo", "held")
    async with run_with_gateway():
        asked = await ann.says("/video a red kite")
        await telegram.until(lambda: held.left == 0)
        await ann.deletes(asked)
        telegram.faults.release()
        video = await ann.chat.shows_video()
    assert video.reply_to is None


async def test_unclear_result_is_repeated_once_and_marked(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """And no more."""
    ann = telegram.user("Ann")
    lost = telegram.faults.add("sendVideo", "dropped-after", times=2)
    async with run_with_gateway():
        await ann.says("/video a red kite")
        second = await ann.chat.shows_video(times=2)
        word = await ann.chat.shows("could not be posted")
        first = next(message for message in ann.chat.from_bot if message.video)
        assert "(repeated)" not in first.text
        assert second.text.startswith("(repeated) It may have been posted before.\na red kite\n")
        assert "not posted a third time" in word.text
        assert lost.left == 0
        await ann.presses(word, "Get it")
        third = await ann.chat.shows_video(times=3)
        assert third.labels == second.labels


# --- captions ----------------------------------------------------------------------------


PROMPTS = {
    "short": "a red kite over the sea",
    "html": "<b>a kite</b> & <a href='tg://user?id=1'>you</a> \"quoted\" 'so' &amp; &lt;i&gt; </",
    "mentions": "@everybody @ann_lee and a@b @x https://example.org/?a=1&b=<2> #tag /video",
    "lines": "a kite\n\n\nover   the\tsea\n</blockquote>\nsandbox, 1 s",
    "chinese": "\u6d77\u9762\u4e0a\u7684\u7ea2\u8272\u98ce\u7b5d" * 20,
    "right-to-left": "\u0637\u0627\u0626\u0631\u0629 \u0648\u0631\u0642\u064a\u0629 \u202e abc "
    * 9,
    "long": "a red kite over the sea and a boat below it " * 80,
    "long-chinese": "\u6d77\u9762\u4e0a\u7684\u7ea2\u8272\u98ce\u7b5d\uff0c" * 300,
    "long-emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e8\U0001f1f3 " * 200,
    "emoji-alone": "\U0001f3ac" * 1500,
    "one-word": "k" * 3500,
    "long-html": "<&>" * 1000,
    "long-mentions": "@anna_lee " * 350,
    "nothing-but-mentions": "@a" * 1900,
}


@pytest.mark.parametrize("kind", PROMPTS)
async def test_caption_is_shortened_with_facts_complete(
    telegram: FakeTelegram, run_with_gateway: RunBot, kind: str
) -> None:
    """The prompt as written, cut where it is too long; the facts below it."""
    ann = telegram.user("Ann")
    prompt = " ".join(PROMPTS[kind].split())
    async with run_with_gateway():
        video = await _made(ann, f"/video {PROMPTS[kind]}")
    shown, facts = video.text.rsplit("\n", 1)
    shown = shown.replace("@\u2060", "@")
    assert facts == FACTS + _task(video)
    assert units(video.text) <= LONGEST_CAPTION
    if len(prompt) < 700:
        assert shown == prompt
    else:
        assert shown.endswith("\u2026")
        assert prompt.startswith(shown[:-1].rstrip())
        assert units(video.text) > LONGEST_CAPTION * 0.9
        shown.encode()
    marks = [
        entity
        for entity in video.entities
        if entity["type"] not in {"url", "hashtag", "bot_command"}
    ]
    assert [mark["type"] for mark in marks] == ["expandable_blockquote", "code"]
    assert covered_text(video.text, marks[1]) == _task(video)


@pytest.mark.parametrize(
    "sign",
    [
        "kites ",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f1e8\U0001f1f3",
        "\U0001f44b\U0001f3fd",
        "e\u0301",
        "@anna ",
    ],
    ids=["word", "family", "flag", "skin", "accent", "mention"],
)
def test_cut_never_splits_a_grapheme(sign: str) -> None:
    """What looks like one character stays whole, wherever the cut is."""
    for most in range(200, 230):
        shown = truncate(sign * 300, most)
        assert most - units(sign) - 2 < units(shown) <= most
        assert f"{shown.removesuffix(chr(0x2026))} ".replace(sign.strip(), "").strip() == ""


async def test_longest_prompts_fit_every_message(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """A draft, a list and a failure of the longest prompts."""
    ann = telegram.user("Ann")
    async with run_with_gateway():
        for prompt in ('<&>"@anna_lee ' * 200, "\U0001f3ac" * 2000):
            await ann.says(prompt)
            draft = await ann.chat.shows("Price:")
            assert units(draft.text) < 1200
            await ann.presses(draft, "Drop it")
            await ann.chat.until(lambda _, draft=draft: "Dropped" in draft.text)  # type: ignore[misc]
            await ann.says(f"/video {prompt[:2500]} !failed")
            await ann.chat.shows("made no video")
            asked = await ann.says("/tasks")
            await ann.chat.shows("Your newest tasks:", after=asked)


# --- once more ---------------------------------------------------------------------------


async def test_fetched_video_is_sent_by_file_id(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """Here, in another chat, and after a restart."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Friends", [ann])
    async with run_with_gateway():
        video = await _made(ann)
        asked = await ann.says(f"/fetch {_task(video)}")
        again = await ann.chat.shows_video(times=2)
        assert again.reply_to is asked
        assert (again.text, again.labels) == (video.text, video.labels)
    async with run_with_gateway():
        asked = await ann.says(f"/fetch {_task(video)}", chat=group)
        shared = await group.shows_video()
        assert shared.reply_to is asked
        await ann.says("/fetch", reply_to=video)
        await ann.chat.shows_video(times=3)
        await ann.says(f"/start task_{_task(video)}")
        await ann.chat.shows_video(times=4)
        await ann.presses(shared, "As file")
        await group.until(lambda chat: [message for message in chat.from_bot if message.document])
    assert video.video is not None
    ids = [call.params["video"] for call in telegram.calls_to("sendVideo")[1:]]
    assert ids == [video.video.file_id] * 4
    assert telegram.uploads["video"] == 1


async def test_video_is_uploaded_again_after_a_change_of_bot(
    telegram: FakeTelegram, run_with_gateway: RunBot, tmp_path: Path
) -> None:
    """File ids of another bot are not valid."""
    ann = telegram.user("Ann")
    async with run_with_gateway():
        task = _task(await _made(ann))
    number, _, secret = TOKEN.partition(":")
    async with FakeTelegram(token=f"{int(number) + 1}:{secret}") as other:
        same = other.user("Ann", id=ann.id)
        own = settings(
            tmp_path,
            TELEGRAM_BOT_TOKEN=other.token,
            TELEGRAM_API_URL=other.url,
            PROVIDERS__LOCAL__KIND="sandbox",
        )
        async with running_bot(own, [FrontEnd(own, rules=FAST_RATE_LIMITS)]):
            for count in (1, 2):
                await same.says(f"/fetch {task}")
                await same.chat.shows_video(times=count)
        assert other.uploads["video"] == 1
        (told,) = other.violations
        assert "wrong file identifier" in told


async def test_task_link_opens_nothing_for_others(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """A user with the link to another's video is greeted, and no more."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    async with run_with_gateway():
        video = await _made(ann)
        for wrong in (_task(video), "nobody", ""):
            asked = await ben.says(f"/start task_{wrong}")
            await ben.chat.shows("Tell me what you would like to see", after=asked)
        await ben.says(f"/fetch {_task(video)}")
        await ben.chat.shows("You have no task")
    assert not any(message.video for message in ben.chat.from_bot)
