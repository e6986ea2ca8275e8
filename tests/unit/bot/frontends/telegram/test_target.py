"""Chat targets of Telegram as the database keeps them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.frontends.telegram.target import (
    ChatTarget,
    message_ref,
    parse_message_ref,
    parse_user_id,
    user_id_of,
)

_IDS = st.integers(-(1 << 53), 1 << 53).filter(bool)
_OPTIONAL_IDS = st.none() | st.integers(1, 1 << 53)


@given(chat=_IDS, thread=_OPTIONAL_IDS, reply=_OPTIONAL_IDS)
def test_address_round_trips(chat: int, thread: int | None, reply: int | None) -> None:
    target = ChatTarget(chat, thread, reply)
    assert ChatTarget.parse(target.address) == target


@pytest.mark.parametrize("address", ["", "5", "5:6", "5:6:7:8", "a:b:c", "5:x:"])
def test_malformed_address_raises(address: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them
        ChatTarget.parse(address)


def test_chats_of_users_are_private() -> None:
    assert ChatTarget(7).is_private
    assert not ChatTarget(-100, 3).is_private


def test_room_leaves_out_the_reply() -> None:
    assert ChatTarget(-100, 3, 50).channel_only == ChatTarget(-100, 3)


@given(chat=_IDS, message=st.integers(1, 1 << 31))
def test_message_key_round_trips(chat: int, message: int) -> None:
    assert parse_message_ref(message_ref(chat, message)) == (chat, message)


@given(user=st.integers(1, 1 << 53))
def test_user_id_round_trips(user: int) -> None:
    assert parse_user_id(user_id_of(user)) == user
