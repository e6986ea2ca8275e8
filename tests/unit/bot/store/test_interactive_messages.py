"""Interactive messages and front-end state: the same on every database."""

from __future__ import annotations

import asyncio

import pytest

from bot.chat.interactive_messages import InteractiveMessages
from bot.credits import lifecycle
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Destination, Order, State, Task
from bot.services import accept_task
from bot.services.accept_task import NewTask
from bot.store import tasks
from bot.store.database import Database, Tx
from bot.store.interactive_messages import blank_of_user, delete_before
from tests.support.credit_limits import CREDIT_LIMITS
from tests.support.fake_clock import FakeClock

ANN, BOB = "chat:1", "chat:2"


HERE, THERE = "-7::", "-8::"


@pytest.fixture
def interactive_messages(database: Database, clock: FakeClock) -> InteractiveMessages:
    """The cards of one front-end."""
    return InteractiveMessages(database, clock, "chat")


async def ordered(database: Database, clock: FakeClock, person: str = ANN) -> Task:
    order = Order(model="m", prompt="a red kite", seconds=4)
    draft = NewTask(accept_task.new_task_id(), person, Destination("chat", HERE), "en", order, 4)
    now = clock.now()
    taken = await database.transact(
        lambda tx: accept_task.accept_task(tx, draft, CREDIT_LIMITS, 9, now)
    )
    return taken.task


async def cancelled(database: Database, clock: FakeClock, task: Task) -> None:
    def cancel(tx: Tx) -> bool:
        now_is = tasks.get(tx, task.id)
        assert now_is is not None
        return lifecycle.transition(tx, now_is, State.CANCELLED, clock.now())

    assert await database.transact(cancel)


async def test_message_round_trips_and_is_found_by_its_callback_id(
    interactive_messages: InteractiveMessages,
) -> None:
    """Every field survives the database, and the callback id alone finds it."""
    body = {"video": {"prompt": "'; DROP TABLE cards; --\n红色风筝 🪁", "seconds": 8}, "reply": 7}
    opened = await interactive_messages.create(MessageKind.DRAFT, ANN, HERE, body=body)
    assert await interactive_messages.get(opened.callback_id) == opened
    assert (opened.body, opened.user_id, opened.destination) == (
        body,
        ANN,
        Destination("chat", HERE),
    )
    assert await interactive_messages.get(opened.callback_id[:-1]) is None
    assert await interactive_messages.get("") is None


async def test_callback_ids_are_random_and_fit_a_button(
    interactive_messages: InteractiveMessages,
) -> None:
    """A thousand differ, have 72 random bits, and leave room in 64 bytes."""
    made = [await interactive_messages.create(MessageKind.CHOICES, ANN, HERE) for _ in range(50)]
    tokens = {card.callback_id for card in made}
    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {12}


async def test_task_has_one_status_message(
    interactive_messages: InteractiveMessages, database: Database, clock: FakeClock
) -> None:
    """Opened by ten at once, a task's status is the existing one; a result is new."""
    task = await ordered(database, clock)
    opened = await asyncio.gather(
        *(
            interactive_messages.create(MessageKind.STATUS, ANN, HERE, task_id=task.id)
            for _ in range(10)
        )
    )
    assert len({card.callback_id for card in opened}) == 1
    result = await interactive_messages.create(MessageKind.RESULT, ANN, HERE, task_id=task.id)
    assert result.callback_id != opened[0].callback_id
    assert await interactive_messages.of_task(task.id, MessageKind.STATUS) == opened[0]
    assert await interactive_messages.of_task(task.id, MessageKind.RESULT) == result
    assert await interactive_messages.of_task("none", MessageKind.RESULT) is None


async def test_concurrent_sends_get_distinct_numbers(
    interactive_messages: InteractiveMessages,
) -> None:
    """Each send that begins at the same time gets another number."""
    card = await interactive_messages.create(MessageKind.DRAFT, ANN, HERE)
    counted = await asyncio.gather(
        *(interactive_messages.record_send_attempt(card) for _ in range(8))
    )
    assert sorted(counted) == list(range(1, 9))
    known = await interactive_messages.get(card.callback_id)
    assert known is not None
    assert known.send_count == 8


async def test_message_is_found_by_its_place_in_its_front_end(
    interactive_messages: InteractiveMessages,
) -> None:
    """The newest one is found if a message id was reused."""
    card = await interactive_messages.create(MessageKind.QUESTION, ANN, HERE)
    assert await interactive_messages.by_message("-7:12") is None
    await interactive_messages.change(card, message="-7:12")
    found = await interactive_messages.by_message("-7:12")
    assert found is not None
    assert (found.callback_id, found.message_ref) == (card.callback_id, "-7:12")
    assert await interactive_messages.by_message("-7:1") is None


async def test_front_ends_do_not_share_messages_or_marks(
    interactive_messages: InteractiveMessages, database: Database, clock: FakeClock
) -> None:
    """The same message id or mark name is another one in another front-end."""
    other = InteractiveMessages(database, clock, "other")
    card = await interactive_messages.create(MessageKind.QUESTION, ANN, HERE)
    await interactive_messages.change(card, message="-7:12")
    await interactive_messages.set_state("moved:-7", "-1007")
    assert await other.by_message("-7:12") is None
    assert await other.newest(MessageKind.QUESTION, ANN, HERE, 60) is None
    assert await other.get_state() == {}


async def test_latest_open_draft_of_the_user_is_found(
    interactive_messages: InteractiveMessages, clock: FakeClock
) -> None:
    """Of this user, kind and destination, still open, and not too old."""
    first = await interactive_messages.create(MessageKind.DRAFT, ANN, HERE)
    await clock.advance(10)
    second = await interactive_messages.create(MessageKind.DRAFT, ANN, HERE)
    await interactive_messages.create(MessageKind.DRAFT, BOB, HERE)
    await interactive_messages.create(MessageKind.DRAFT, ANN, THERE)
    await interactive_messages.create(MessageKind.QUESTION, ANN, HERE)

    async def newest(within: float = 60) -> str | None:
        found = await interactive_messages.newest(MessageKind.DRAFT, ANN, HERE, within)
        return found.callback_id if found else None

    assert await newest() == second.callback_id
    await interactive_messages.close(second)
    assert await newest() == first.callback_id
    assert await newest(within=5) is None


async def test_change_touches_only_the_named_fields(
    interactive_messages: InteractiveMessages,
) -> None:
    """A closed message says so, and can still be read."""
    card = await interactive_messages.create(MessageKind.DRAFT, ANN, HERE, body={"page": ""})
    other = await interactive_messages.create(MessageKind.DRAFT, ANN, HERE, body={"page": ""})
    await interactive_messages.change(card, body={"page": "model"})
    await interactive_messages.change(card, message="-7:9")
    await interactive_messages.close(card)
    known = await interactive_messages.get(card.callback_id)
    assert known is not None
    assert (known.body, known.message_ref, known.is_closed) == ({"page": "model"}, "-7:9", True)
    assert await interactive_messages.get(other.callback_id) == other


async def test_left_statuses_are_those_of_settled_tasks(
    interactive_messages: InteractiveMessages, database: Database, clock: FakeClock
) -> None:
    """Those that are still posted though their task is over, and no others."""
    over, going, unsent, away = [await ordered(database, clock) for _ in range(4)]
    opened: dict[str, InteractiveMessage] = {}
    for number, task in enumerate((over, going, unsent, away)):
        card = await interactive_messages.create(MessageKind.STATUS, ANN, HERE, task_id=task.id)
        if task is not unsent:
            await interactive_messages.change(card, message=f"-7:{number}")
        opened[task.id] = card
        await interactive_messages.create(MessageKind.RESULT, ANN, HERE, task_id=task.id)
    for task in (over, unsent, away):
        await cancelled(database, clock, task)
    await interactive_messages.close(opened[away.id])
    left = await interactive_messages.find_stale(50)
    assert [card.callback_id for card in left] == [opened[over.id].callback_id]


async def test_forget_clears_all_messages_of_the_user(
    interactive_messages: InteractiveMessages, database: Database, clock: FakeClock
) -> None:
    """Messages of other users are untouched."""
    task = await ordered(database, clock)
    status = await interactive_messages.create(
        MessageKind.STATUS, ANN, HERE, task_id=task.id, body={"a": "secret"}
    )
    draft = await interactive_messages.create(
        MessageKind.DRAFT, ANN, HERE, body={"video": {"prompt": "secret"}}
    )
    others = await interactive_messages.create(
        MessageKind.DRAFT, BOB, HERE, body={"video": {"prompt": "kept"}}
    )
    await database.transact(lambda tx: blank_of_user(tx, ANN))
    known = await interactive_messages.get(status.callback_id)
    assert known is not None
    assert known.body == {}
    assert await interactive_messages.get(draft.callback_id) is None
    assert await interactive_messages.get(others.callback_id) == others


async def test_cleanup_removes_old_drafts_only(
    interactive_messages: InteractiveMessages, database: Database, clock: FakeClock
) -> None:
    """Messages of a task stay, and so does a draft that was used since."""
    task = await ordered(database, clock)
    status = await interactive_messages.create(MessageKind.STATUS, ANN, HERE, task_id=task.id)
    old = await interactive_messages.create(MessageKind.DRAFT, ANN, HERE)
    touched = await interactive_messages.create(MessageKind.DRAFT, ANN, HERE)
    await clock.advance(100)
    before = clock.now()
    await clock.advance(100)
    await interactive_messages.change(touched, message="-7:3")
    await database.transact(lambda tx: delete_before(tx, before))
    assert await interactive_messages.get(old.callback_id) is None
    assert await interactive_messages.get(touched.callback_id) is not None
    assert await interactive_messages.get(status.callback_id) is not None
