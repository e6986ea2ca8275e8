"""Drafts: what a plain message would become, changed by buttons and started by one."""

from __future__ import annotations

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser


async def _press(person: FakeUser, draft: Message, button: str, shows: str) -> None:
    """Press a button; the card then has another one."""
    press = await person.presses(draft, button)
    await draft.chat.until(lambda _: any(shows in label for label in draft.labels))
    assert (await press.answer).text == ""


async def test_draft_buttons_apply_the_chosen_option(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Each page offers what the model can do, marks the choice, and updates the price."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("a red kite over the sea")
        draft = await ann.chat.shows("Price: 4 credits; you have 60 left.")
        assert draft.text.startswith("a red kite over the sea\n")
        await _press(ann, draft, "4 s", "\u2713 4 s")
        await _press(ann, draft, "1 s", "Start: 1 credit")
        await _press(ann, draft, "landscape", "\u2713 landscape")
        await _press(ann, draft, "portrait", "720x1280")
        await _press(ann, draft, "720x1280", "\u2713 720x1280")
        await _press(ann, draft, "480x854", "Start: 1 credit")
        await _press(ann, draft, "Model", "\u2713 Sandbox")
        await _press(ann, draft, "Back", "Start: 1 credit")
        assert "1 s, portrait 480x854" in draft.text
        await ann.presses(draft, "Start")
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: chat.from_bot == [video])
    assert video.video is not None
    assert (video.video.width, video.video.height, video.video.seconds) == (480, 854, 1)
    assert len(telegram.calls_to("sendMessage")) == 1


async def test_changing_the_model_drops_unsupported_options(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """The draft shows what the new model makes, and still starts."""
    ann = telegram.user("Ann")
    async with run_bot(
        PROVIDERS__SANDBOX__KIND="sandbox",
        PROVIDERS__JIMMY__API_KEY="k" * 20,
        PROVIDERS__JIMMY__BASE_URL="http://127.0.0.1:9",
    ):
        await ann.says("a red kite")
        draft = await ann.chat.shows("Price:")
        await _press(ann, draft, "Model", "Sandbox")
        await _press(ann, draft, "Sandbox", "Start: 4 credits")
        await _press(ann, draft, "4 s", "\u2713 4 s")
        await _press(ann, draft, "20 s", "Start: 20 credits")
        await _press(ann, draft, "Model", "Sora 2, 12 seconds")
        await _press(ann, draft, "Sora 2, 12 seconds", "Start: 12 credits")
        press = await ann.presses(draft, "Drop it")
        await ann.chat.shows("Dropped. Nothing was charged.")
        assert (await press.answer).text == ""
        await ann.says("/quota")
        await ann.chat.shows("You can spend 60 credits")
    assert draft.labels == []


async def test_draft_takes_the_orientation_of_its_photo(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """And says that it begins with the photo."""
    ann = telegram.user("Ann")
    async with run_bot():
        photo = await ann.sends_photo(picture(200, 300), "it flies")
        draft = await ann.chat.shows("begins with your picture")
        assert "portrait 720x1280" in draft.text
        assert draft.reply_to is photo
        await _press(ann, draft, "4 s", "\u2713 4 s")
        await _press(ann, draft, "1 s", "Start: 1 credit")
        await ann.presses(draft, "Start")
        video = await ann.chat.shows_video()
    assert video.reply_to is photo
    assert video.video is not None
    assert (video.video.width, video.video.height) == (720, 1280)
    assert telegram.downloads.total() == 1


async def test_words_after_a_photo_complete_its_draft(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """A photo without words asks for them."""
    ann = telegram.user("Ann")
    async with run_bot():
        photo = await ann.sends_photo(picture(200, 300))
        card = await ann.chat.shows("What should the video show?")
        assert not any("Start" in label for label in card.labels)
        await ann.says("it flies")
        await ann.chat.until(lambda _: "Price: 4 credits" in card.text)
        assert card.text.startswith("it flies\n")
        await ann.presses(card, "Start")
        video = await ann.chat.shows_video()
    assert video.reply_to is photo
    assert len(telegram.calls_to("sendMessage")) == 1


async def test_words_after_a_dropped_draft_start_a_new_one(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Without the dropped photo."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.sends_photo(picture(200, 300))
        card = await ann.chat.shows("What should the video show?")
        await ann.presses(card, "Drop it")
        await ann.chat.shows("Dropped")
        await ann.says("a red kite")
        draft = await ann.chat.shows("Price: 4 credits")
    assert "picture" not in draft.text


async def test_simultaneous_presses_take_effect_once(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Each press is answered."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("a red kite")
        draft = await ann.chat.shows("Price:")
        presses = [await ann.presses(draft, "4 s") for _ in range(3)]
        await ann.chat.until(lambda _: "Back" in draft.labels)
        presses += [await ann.presses(draft, "Back") for _ in range(3)]
        await ann.chat.until(lambda _: "Back" not in draft.labels)
        presses += [await ann.presses(draft, "Start") for _ in range(3)]
        await ann.chat.shows_video()
        await ann.says("/tasks")
        tasks = await ann.chat.shows("Your newest tasks:")
        for press in presses:
            await press.answer
    assert len(tasks.text.splitlines()) == 2
    assert len(telegram.calls_to("answerCallbackQuery")) == len(presses)


async def test_refused_start_keeps_the_draft(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """It says why it cannot start, and can be changed until it can."""
    ann = telegram.user("Ann")
    async with run_bot(DAILY_CREDITS="3"):
        await ann.says("a red kite")
        draft = await ann.chat.shows("Price: 4 credits; you have 3 left.")
        await ann.presses(draft, "Start")
        await ann.chat.shows("This needs 4 credits; you have 3.")
        await (await ann.presses(draft, "Start")).answer
        await _press(ann, draft, "4 s", "\u2713 4 s")
        await _press(ann, draft, "3 s", "Start: 3 credits")
        assert "This needs" not in draft.text
        await ann.presses(draft, "Start")
        await ann.chat.shows_video()


async def test_overlong_prompt_is_shown_shortened(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """The draft shows the beginning, says what is wrong, and can be dropped."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("kite " * 500)
        draft = await ann.chat.shows("takes at most 2,000")
        assert len(draft.text) < 1000
        for label in draft.labels:
            if label != "Drop it":
                await (await ann.presses(draft, label)).answer
        await ann.presses(draft, "Drop it")
        await ann.chat.shows("Dropped")


async def test_draft_works_after_a_restart(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Its buttons belong to the next process."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("a red kite")
        draft = await ann.chat.shows("Price:")
    await ann.presses(draft, "4 s")
    async with run_bot():
        await ann.chat.until(lambda _: "\u2713 4 s" in draft.labels)
        await _press(ann, draft, "1 s", "Start: 1 credit")
    async with run_bot():
        await ann.presses(draft, "Start")
        await ann.chat.shows_video()


async def test_markup_in_a_prompt_is_shown_literally(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Tags, entities and mentions have no effect."""
    ann = telegram.user("Ann")
    telegram.user("Bob", username="bobby")
    words = "<b>bold</b> & &lt;i> <a href='tg://user?id=1'>x</a> @bobby /start #tag"
    async with run_bot():
        await ann.says(words)
        draft = await ann.chat.shows("Price:")
        await ann.presses(draft, "Start")
        video = await ann.chat.shows_video()
    for said in (draft.edits[0].text, video.text):
        assert words in said.replace("\u2060", "")
    kinds = {entity["type"] for entity in [*draft.entities, *video.entities]}
    assert not kinds & {"mention", "text_mention", "bold", "text_link"}
