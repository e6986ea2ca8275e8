"""Chat targets of Discord as the database keeps them, and what may be sent there when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.frontends.discord.target import (
    MIN_UPLOAD_LIMIT_BYTES,
    ChatTarget,
    message_ref,
    parse_message_ref,
    parse_user_id,
    user_id_of,
)

NOW = 1_800_000_000.0
_IDS = st.integers(1, 1 << 63)
_TARGETS = st.builds(
    ChatTarget,
    channel=_IDS,
    guild=st.none() | _IDS,
    access=st.sampled_from(["own", "closed", "lent"]),
    app=_IDS,
    token=st.text(max_size=40),
    until=st.floats(0, 1e11),
    interaction_upload_limit=st.integers(0, 1 << 40),
    bot_upload_limit=st.integers(0, 1 << 40),
    interaction_id=_IDS,
)


@given(target=_TARGETS)
def test_address_round_trips(target: ChatTarget) -> None:
    assert ChatTarget.parse(target.address) == target


@given(target=_TARGETS)
def test_repr_hides_the_token(target: ChatTarget) -> None:
    assert "token" not in repr(target)


@pytest.mark.parametrize("address", ["", "5", "[]", '{"channel":', "null"])
def test_malformed_address_raises(address: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        ChatTarget.parse(address)


def test_token_is_unused_shortly_before_its_end() -> None:
    target = ChatTarget(1, token="t", until=NOW + 900)
    assert target.token_valid(NOW)
    assert target.token_valid(NOW + 879)
    assert not target.token_valid(NOW + 881)
    assert not ChatTarget(1, until=NOW + 900).token_valid(NOW)


@pytest.mark.parametrize(
    ("right", "later_limit"),
    [("own", 50 << 20), ("closed", MIN_UPLOAD_LIMIT_BYTES), ("lent", MIN_UPLOAD_LIMIT_BYTES)],
)
def test_upload_limit_follows_the_way_of_posting(right: str, later_limit: int) -> None:
    target = ChatTarget.parse(
        f'{{"channel":1,"right":"{right}","token":"t","until":{NOW + 900},'
        f'"lent_limit":{100 << 20},"own_limit":{50 << 20}}}'
    )
    assert target.limit(NOW) == 100 << 20
    assert target.limit(NOW + 900) == later_limit


def test_others_may_watch_everywhere_but_in_direct_messages() -> None:
    assert ChatTarget(1, guild=2, access="own").is_shared
    assert ChatTarget(1, access="lent").is_shared
    assert not ChatTarget(1, access="own").is_shared


@given(channel=_IDS, message=_IDS)
def test_message_key_round_trips(channel: int, message: int) -> None:
    assert parse_message_ref(message_ref(channel, message)) == (channel, message)


@given(user=_IDS)
def test_user_id_round_trips(user: int) -> None:
    assert parse_user_id(user_id_of(user)) == user
