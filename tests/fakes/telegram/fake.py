"""A strict fake of the Bot API, with its users and chats.

Every call is held to the table of facts and to the rules that the description has only in prose.
What breaks them is refused as the real server refuses it. What a careful bot could have foreseen
(a wrong parameter, a text too long, 65 bytes of data, an edit that changes nothing, a flood) is
noted in `violations` as well; what it could not (blocked, kicked, gone, upgraded) is not.

    async with Telegram() as telegram:
        ann = telegram.person("Ann", language="en")
        await ann.says("/start")
        greeting = await ann.chat.shows("Welcome")
        press = await ann.presses(greeting, "Settings")
        assert (await press.answer).text == ""
    assert telegram.violations == []
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.telegram.bot_methods import menu
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.messages import Account
from tests.fakes.telegram.server import TOKEN, RecordedCall, Server
from tests.fakes.telegram.transcript import event_log, transcript
from tests.fakes.telegram.updates import Update
from tests.fakes.telegram.users import FakeUser

__all__ = ["TOKEN", "FakeTelegram", "RecordedCall"]

T = TypeVar("T")


class FakeTelegram(Server):
    """The fake server and its users."""

    # --- people and chats ----------------------------------------------------------------

    def user(
        self,
        name: str,
        *,
        language: str = "en",
        username: str = "",
        last_name: str = "",
        started: bool = False,
        id: int | None = None,  # noqa: A002 - as everywhere on Telegram
    ) -> FakeUser:
        """Someone new; `started`: has written to the bot before."""
        number = next(self.world.people_ids) if id is None else id
        chat = self.world.chat(id=number, kind="private", started=started)
        chat.person = it = FakeUser(
            world=self.world,
            chat=chat,
            id=number,
            first_name=name,
            last_name=last_name,
            username=username,
            language=language,
        )
        self.world.accounts[number] = it
        return it

    def private(self, person: FakeUser) -> Chat:
        """Someone's chat with the bot."""
        return person.chat

    def group(
        self, title: str, members: Sequence[Account], *, bot: bool = True, **more: Any
    ) -> Chat:
        """A small group; its first member owns it."""
        return self._group("group", title, members, bot=bot, **more)

    def supergroup(
        self, title: str, members: Sequence[Account], *, bot: bool = True, **more: Any
    ) -> Chat:
        """A large group; with `forum=True` it has topics."""
        return self._group("supergroup", title, members, bot=bot, **more)

    def channel(
        self, title: str, owner: Account, *, discussion: Chat | None = None, **more: Any
    ) -> Chat:
        """A channel, of which the bot is no member, and its discussion group."""
        it = self._group("channel", title, [owner], bot=False, **more)
        if discussion is not None:
            it.linked, discussion.linked = discussion, it
        return it

    def _group(
        self, kind: str, title: str, members: Sequence[Account], *, bot: bool, **more: Any
    ) -> Chat:
        return self.world.chat(
            id=self.world.new_group_id(long=kind != "group"),
            kind=kind,
            title=title,
            members=list(members),
            admins=list(members[:1]),
            bot_status="member" if bot else "none",
            **more,
        )

    def menu(self, person: FakeUser, chat: Chat | None = None) -> dict[str, str]:
        """The commands that someone's app offers in a chat, with what is said of them."""
        found = menu(self.world, person, chat or person.chat)
        return {command["command"]: command["description"] for command in found}

    # --- looking -------------------------------------------------------------------------

    @property
    def uploads(self) -> Counter[str]:
        """How many files came, by kind."""
        return self.world.uploads

    @property
    def updates(self) -> list[Update]:
        """All that the bot was to hear, in order."""
        return self.world.updates.all

    @property
    def pending(self) -> int:
        """How many updates the bot has not confirmed."""
        return len(self.world.updates.waiting)

    def redeliver_update(self, update: Update) -> None:
        """The bot gets an update once more, as after a confirmation was lost."""
        self.world.updates.repeat(update)

    @property
    def privacy(self) -> bool:
        """Whether the bot hears in groups only what is meant for it."""
        return self.world.privacy

    @privacy.setter
    def privacy(self, on: bool) -> None:
        self.world.privacy = on

    def calls_to(self, method: str, chat: Chat | None = None) -> list[RecordedCall]:
        """All calls of a method, into one chat or any."""
        wanted = None if chat is None else chat.id
        return [
            call for call in self.calls if call.method == method and wanted in {None, call.chat}
        ]

    async def until(self, look: Callable[[], T], timeout: float = PATIENCE_S) -> T:
        """The first true result of `look`, called after each change."""
        return await self.world.until(look, timeout)

    def transcript(self, chat: Chat) -> str:
        """What stands in a chat now."""
        return transcript(chat)

    def event_log(self, chat: Chat) -> str:
        """All that happened in a chat, edits, presses and deletions included."""
        return event_log(chat)
