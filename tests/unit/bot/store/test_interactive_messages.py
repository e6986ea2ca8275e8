"""Cards and marks: what a front-end must find again months later, the same on every database."""

from __future__ import annotations

import asyncio

import pytest

from bot.cards import Cards
from bot.credits import lifecycle
from bot.domain.interactive import Card, CardKind
from bot.domain.tasks import Order, Place, State, Task
from bot.services import accept_task
from bot.services.accept_task import Draft
from bot.store import tasks
from bot.store.database import Database, Tx
from bot.store.interactive_messages import forget, prune
from tests.support.credit_limits import RULES
from tests.support.fake_clock import FakeClock

ANN, BOB = "chat:1", "chat:2"
HERE, THERE = "-7::", "-8::"


@pytest.fixture
def cards(database: Database, clock: FakeClock) -> Cards:
    """The cards of one front-end."""
    return Cards(database, clock, "chat")


async def ordered(database: Database, clock: FakeClock, person: str = ANN) -> Task:
    order = Order(model="m", prompt="a red kite", seconds=4)
    draft = Draft(accept_task.new_task_id(), person, Place("chat", HERE), "en", order, 4)
    now = clock.now()
    taken = await database.transact(lambda tx: accept_task.accept(tx, draft, RULES, 9, now))
    return taken.task


async def cancelled(database: Database, clock: FakeClock, task: Task) -> None:
    def cancel(tx: Tx) -> bool:
        now_is = tasks.get(tx, task.id)
        assert now_is is not None
        return lifecycle.move(tx, now_is, State.CANCELLED, clock.now())

    assert await database.transact(cancel)


async def test_a_card_comes_back_other_than_it_went_in(cards: Cards) -> None:
    """What a card knows survives the database, and its token alone finds it."""
    body = {"video": {"prompt": "'; DROP TABLE cards; --\n红色风筝 🪁", "seconds": 8}, "reply": 7}
    opened = await cards.open(CardKind.DRAFT, ANN, HERE, body=body)
    assert await cards.get(opened.token) == opened
    assert (opened.body, opened.person, opened.place) == (body, ANN, Place("chat", HERE))
    assert await cards.get(opened.token[:-1]) is None
    assert await cards.get("") is None


async def test_tokens_can_be_guessed_or_do_not_fit_a_button(cards: Cards) -> None:
    """A thousand tokens differ, have 72 bits of chance, and leave room in 64 bytes."""
    made = [await cards.open(CardKind.CHOICES, ANN, HERE) for _ in range(50)]
    tokens = {card.token for card in made}
    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {12}


async def test_a_task_has_two_status_cards(
    cards: Cards, database: Database, clock: FakeClock
) -> None:
    """Opened again, by ten at once, a task's status is the one that is there; a result is new."""
    task = await ordered(database, clock)
    opened = await asyncio.gather(
        *(cards.open(CardKind.STATUS, ANN, HERE, task=task.id) for _ in range(10))
    )
    assert len({card.token for card in opened}) == 1
    result = await cards.open(CardKind.RESULT, ANN, HERE, task=task.id)
    assert result.token != opened[0].token
    assert await cards.of_task(task.id, CardKind.STATUS) == opened[0]
    assert await cards.of_task(task.id, CardKind.RESULT) == result
    assert await cards.of_task("none", CardKind.RESULT) is None


async def test_a_card_is_sent_more_often_than_it_is_counted(cards: Cards) -> None:
    """Of many who begin to send at once each hears another number."""
    card = await cards.open(CardKind.DRAFT, ANN, HERE)
    counted = await asyncio.gather(*(cards.begin(card) for _ in range(8)))
    assert sorted(counted) == list(range(1, 9))
    known = await cards.get(card.token)
    assert known is not None
    assert known.sends == 8


async def test_a_message_is_taken_for_another_ones(cards: Cards) -> None:
    """A card is found where it stands, in its own front-end, the newest if a place was reused."""
    card = await cards.open(CardKind.QUESTION, ANN, HERE)
    assert await cards.at("-7:12") is None
    await cards.change(card, message="-7:12")
    found = await cards.at("-7:12")
    assert found is not None
    assert (found.token, found.message) == (card.token, "-7:12")
    assert await cards.at("-7:1") is None


async def test_cards_of_two_front_ends_are_mixed_up(
    cards: Cards, database: Database, clock: FakeClock
) -> None:
    """The same key of a message, the same name of a mark mean something else in another one."""
    other = Cards(database, clock, "other")
    card = await cards.open(CardKind.QUESTION, ANN, HERE)
    await cards.change(card, message="-7:12")
    await cards.set_mark("moved:-7", "-1007")
    assert await other.at("-7:12") is None
    assert await other.newest(CardKind.QUESTION, ANN, HERE, 60) is None
    assert await other.marks() == {}


async def test_a_text_fills_somebody_elses_draft(cards: Cards, clock: FakeClock) -> None:
    """The newest is the person's own, of this kind and place, open, and not too old."""
    first = await cards.open(CardKind.DRAFT, ANN, HERE)
    await clock.advance(10)
    second = await cards.open(CardKind.DRAFT, ANN, HERE)
    await cards.open(CardKind.DRAFT, BOB, HERE)
    await cards.open(CardKind.DRAFT, ANN, THERE)
    await cards.open(CardKind.QUESTION, ANN, HERE)

    async def newest(within: float = 60) -> str | None:
        found = await cards.newest(CardKind.DRAFT, ANN, HERE, within)
        return found.token if found else None

    assert await newest() == second.token
    await cards.end(second)
    assert await newest() == first.token
    assert await newest(within=5) is None


async def test_what_is_changed_takes_more_along(cards: Cards) -> None:
    """A change touches one card and what it names; an ended card says so and can still be read."""
    card = await cards.open(CardKind.DRAFT, ANN, HERE, body={"page": ""})
    other = await cards.open(CardKind.DRAFT, ANN, HERE, body={"page": ""})
    await cards.change(card, body={"page": "model"})
    await cards.change(card, message="-7:9")
    await cards.end(card)
    known = await cards.get(card.token)
    assert known is not None
    assert (known.body, known.message, known.gone) == ({"page": "model"}, "-7:9", True)
    assert await cards.get(other.token) == other


async def test_a_status_stands_for_ever(cards: Cards, database: Database, clock: FakeClock) -> None:
    """Left behind are statuses that stand and whose tasks are over, and no others."""
    over, going, unsent, away = [await ordered(database, clock) for _ in range(4)]
    opened: dict[str, Card] = {}
    for number, task in enumerate((over, going, unsent, away)):
        card = await cards.open(CardKind.STATUS, ANN, HERE, task=task.id)
        if task is not unsent:
            await cards.change(card, message=f"-7:{number}")
        opened[task.id] = card
        await cards.open(CardKind.RESULT, ANN, HERE, task=task.id)
    for task in (over, unsent, away):
        await cancelled(database, clock, task)
    await cards.end(opened[away.id])
    left = await cards.left_behind(50)
    assert [card.token for card in left] == [opened[over.id].token]


async def test_forgotten_words_stay_in_a_card(
    cards: Cards, database: Database, clock: FakeClock
) -> None:
    """After /forgetme no card of the person says anything; those of others are untouched."""
    task = await ordered(database, clock)
    status = await cards.open(CardKind.STATUS, ANN, HERE, task=task.id, body={"a": "secret"})
    draft = await cards.open(CardKind.DRAFT, ANN, HERE, body={"video": {"prompt": "secret"}})
    others = await cards.open(CardKind.DRAFT, BOB, HERE, body={"video": {"prompt": "kept"}})
    await database.transact(lambda tx: forget(tx, ANN))
    known = await cards.get(status.token)
    assert known is not None
    assert known.body == {}
    assert await cards.get(draft.token) is None
    assert await cards.get(others.token) == others


async def test_buttons_of_a_task_are_thrown_away(
    cards: Cards, database: Database, clock: FakeClock
) -> None:
    """Old drafts go; a task's cards stay, and so does a draft that was touched since."""
    task = await ordered(database, clock)
    status = await cards.open(CardKind.STATUS, ANN, HERE, task=task.id)
    old = await cards.open(CardKind.DRAFT, ANN, HERE)
    touched = await cards.open(CardKind.DRAFT, ANN, HERE)
    await clock.advance(100)
    before = clock.now()
    await clock.advance(100)
    await cards.change(touched, message="-7:3")
    await database.transact(lambda tx: prune(tx, before))
    assert await cards.get(old.token) is None
    assert await cards.get(touched.token) is not None
    assert await cards.get(status.token) is not None


async def test_two_processes_cannot_remember_the_same(cards: Cards) -> None:
    """A mark that many set at once has one value of theirs, and nobody fails."""
    await asyncio.gather(*(cards.set_mark("menus", str(number)) for number in range(8)))
    assert (await cards.marks())["menus"] in {str(number) for number in range(8)}
    await cards.set_mark("menus", "new")
    await cards.set_mark("moved:-7", "-1007")
    assert await cards.marks() == {"menus": "new", "moved:-7": "-1007"}
