"""Users: they write, send images, press buttons, and block the bot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.fakes.telegram import serializers as shown
from tests.fakes.telegram.chats import Chat, Topic
from tests.fakes.telegram.files import StoredFile
from tests.fakes.telegram.messages import (
    ANONYMOUS,
    AS_CHANNEL,
    FORWARDER,
    Account,
    ButtonPress,
    Message,
)
from tests.fakes.telegram.rules import LONGEST_CAPTION, LONGEST_TEXT
from tests.fakes.telegram.state import TelegramState
from tests.fakes.telegram.text import Entity, detect_entities, units

_press_ids = count(1)
_album_ids = count(13_900_000_000_001)


@dataclass(eq=False, kw_only=True)
class FakeUser(Account):
    """A user of Telegram."""

    world: TelegramState
    chat: Chat
    """With the bot."""

    # --- writing -------------------------------------------------------------------------

    async def says(
        self,
        text: str,
        *,
        chat: Chat | None = None,
        reply_to: Message | None = None,
        topic: Topic | None = None,
        mentions: Mapping[str, Account] | None = None,
        anonymous: bool = False,
        as_channel: Chat | None = None,
    ) -> Message:
        """Write into a chat, by default to the bot alone.

        `mentions` has words of the text that point at people who have no username.
        """
        assert 1 <= units(text) <= LONGEST_TEXT
        entities = detect_entities(text, _pointing(text, mentions or {}))
        return self._sent(
            chat, reply_to, topic, anonymous, as_channel, text=text, entities=entities
        )

    async def sends_photo(
        self, content: bytes | Path, caption: str = "", *, name: str = "photo.jpg", **where: Any
    ) -> Message:
        """Send a picture as a photo, which Telegram makes smaller."""
        media = self.world.files.photo(self.world.files.bring(content, name))
        return self._sent_media(media, caption, **where)

    async def sends_document(
        self,
        content: bytes | Path,
        caption: str = "",
        *,
        name: str = "picture.png",
        size: int | None = None,
        **where: Any,
    ) -> Message:
        """Send something as a file; `size` is what Telegram says of it, if not the truth."""
        kept = self.world.files.document(self.world.files.bring(content, name), size)
        return self._sent_media((kept,), caption, **where)

    async def sends_video(
        self, content: bytes | Path, caption: str = "", *, seconds: int = 4, **where: Any
    ) -> Message:
        """Send a video."""
        files = self.world.files
        kept = files.keep("video", files.bring(content, "video.mp4"))
        stored = files.details(kept, width=1280, height=720, seconds=seconds)
        return self._sent_media((stored,), caption, **where)

    async def sends_voice(self, **where: Any) -> Message:
        """Say something."""
        files = self.world.files
        kept = files.keep("voice", files.bring(b"OggS", "voice.oga"))
        return self._sent_media((files.details(kept, seconds=3),), "", **where)

    async def sends_sticker(self, **where: Any) -> Message:
        """Send a sticker."""
        files = self.world.files
        kept = files.keep("sticker", files.bring(b"RIFF", "sticker.webp"))
        return self._sent_media((files.details(kept, width=512, height=512),), "", **where)

    async def sends_album(
        self, contents: Sequence[bytes | Path], caption: str = "", **where: Any
    ) -> list[Message]:
        """Send several photos at once; the first has the caption."""
        album = str(next(_album_ids))
        return [
            await self.sends_photo(one, "" if number else caption, album=album, **where)
            for number, one in enumerate(contents)
        ]

    async def forwards(self, message: Message, *, chat: Chat | None = None) -> Message:
        """Forward something."""
        origin = {"type": "user", "sender_user": shown.account(message.sender)}
        return self._sent(
            chat,
            None,
            None,
            text=message.text,
            entities=message.entities,
            media=message.media,
            extra={"forward_origin": {**origin, "date": int(message.date)}},
        )

    def _sent_media(
        self,
        media: tuple[StoredFile, ...],
        caption: str,
        *,
        chat: Chat | None = None,
        reply_to: Message | None = None,
        topic: Topic | None = None,
        anonymous: bool = False,
        as_channel: Chat | None = None,
        **more: Any,
    ) -> Message:
        assert units(caption) <= LONGEST_CAPTION
        entities = detect_entities(caption, [])
        return self._sent(
            chat,
            reply_to,
            topic,
            anonymous,
            as_channel,
            text=caption,
            entities=entities,
            media=media,
            **more,
        )

    def _sent(
        self,
        chat: Chat | None,
        reply_to: Message | None,
        topic: Topic | None,
        anonymous: bool = False,
        as_channel: Chat | None = None,
        **more: Any,
    ) -> Message:
        chat = self._where(chat, reply_to, topic)
        self._may_write(chat)
        topic = topic or (reply_to.topic if reply_to is not None else None)
        if chat.forum:
            topic = topic or chat.general
            assert not topic.closed or self in chat.admins, f"{topic.name} is closed"
            more |= {"topic": topic, "thread": topic.id if topic.root is not None else None}
        sender: Account = self
        if anonymous or as_channel is not None:
            sender = ANONYMOUS if anonymous else AS_CHANNEL
            more["sender_chat"] = chat if anonymous else as_channel
        message = self.world.put(chat, sender, reply_to=reply_to, **more)
        self.world.arrive(message)
        return message

    def _where(self, chat: Chat | None, reply_to: Message | None, topic: Topic | None) -> Chat:
        if chat is not None:
            return chat
        if topic is not None:
            return topic.chat
        return reply_to.chat if reply_to is not None else self.chat

    def _may_write(self, chat: Chat) -> None:
        assert not self.deactivated
        if chat.kind == "private":
            assert chat is self.chat, f"{self.name} cannot write in the chat of {chat.name}"
            assert not chat.blocked, f"{self.name} has blocked the bot"
            chat.started = True
        else:
            assert self in chat.members, f"{self.name} is not in {chat.name}"
            assert chat.upgraded_to is None, f"{chat.name} has become a supergroup"

    # --- touching ------------------------------------------------------------------------

    async def edits(self, message: Message, text: str) -> None:
        """Change what one has written."""
        assert message.sender is self
        self.world.change(message)
        message.text, message.entities = text, detect_entities(text, [])
        message.edited = self.world.clock.now()
        self.world.record_event(message, "edited")
        self.world.arrive(message, "edited_message")

    async def deletes(self, message: Message) -> None:
        """Take a message away; bots do not hear of that."""
        self.world.delete(message, by_bot=False)

    async def presses(self, message: Message, button: str, *, late: bool = False) -> ButtonPress:
        """Press a button, named by its label or a part of it.

        `late`: although the message is gone already, which the bot then hears as inaccessible.
        """
        assert message.deleted is late, f"{message.text!r} is gone: {message.deleted}"
        found = message.button(button)
        assert found.data, f"{found.text!r} opens {found.url}"
        number = f"{self.id << 20 | next(_press_ids)}"
        press = ButtonPress(number, self, message, found, self.world.clock.now())
        self.world.presses[number] = press
        told = {
            "id": number,
            "from": shown.account(self),
            "message": shown.inaccessible(message) if late else shown.message(message),
            "chat_instance": str(-message.chat.id * 7919),
            "data": found.data,
        }
        self.world.record_press(press)
        self.world.updates.add("callback_query", told, message.chat.id)
        return press

    # --- coming and going ----------------------------------------------------------------

    async def joins(self, chat: Chat) -> None:
        """Become a member of a group."""
        chat.members.append(self)
        await chat.serves(by=self, new_chat_members=[self])

    async def leaves(self, chat: Chat) -> None:
        """Be no member any more."""
        chat.members.remove(self)
        await chat.serves(by=self, left_chat_member=self)

    async def blocks(self) -> None:
        """The bot may not write any more."""
        self.chat.blocked = True
        self.world.send_membership_update(self.chat, self, "member", "kicked")

    async def unblocks(self) -> None:
        """The bot may write again."""
        self.chat.blocked = False
        self.world.send_membership_update(self.chat, self, "kicked", "member")

    async def leaves_telegram(self) -> None:
        """The account is deleted; nobody is told."""
        self.deactivated = True

    async def posts(self, channel: Chat, text: str) -> Message:
        """Post in a channel; what appears in its discussion group, or else the post itself."""
        assert channel.kind == "channel"
        entities = detect_entities(text, [])
        post = self.world.put(channel, self, sender_chat=channel, text=text, entities=entities)
        self.world.arrive(post)
        if channel.linked is None:
            return post
        origin = {"type": "channel", "chat": shown.chat(channel), "message_id": post.id}
        forwarded = self.world.put(
            channel.linked,
            FORWARDER,
            sender_chat=channel,
            text=text,
            entities=entities,
            extra={
                "is_automatic_forward": True,
                "forward_origin": {**origin, "date": int(post.date)},
            },
        )
        self.world.arrive(forwarded)
        return forwarded


def _pointing(text: str, mentions: Mapping[str, Account]) -> list[Entity]:
    found = []
    for words, account in mentions.items():
        match = re.search(re.escape(words), text)
        assert match, f"{words!r} does not stand in {text!r}"
        start = units(text[: match.start()])
        found.append(
            {"type": "text_mention", "offset": start, "length": units(words), "user": account}
        )
    return found
