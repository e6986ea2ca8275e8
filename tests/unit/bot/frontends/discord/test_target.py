"""Chat targets of Discord as the database keeps them, and what may be sent there when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.frontends.discord.spot import (
    SMALLEST_LIMIT,
    Spot,
    message_key,
    message_of,
    person_id,
    user_of,
)

NOW = 1_800_000_000.0
_IDS = st.integers(1, 1 << 63)
_TARGETS = st.builds(
    Spot,
    channel=_IDS,
    guild=st.none() | _IDS,
    right=st.sampled_from(["own", "closed", "lent"]),
    app=_IDS,
    token=st.text(max_size=40),
    until=st.floats(0, 1e11),
    lent_limit=st.integers(0, 1 << 40),
    own_limit=st.integers(0, 1 << 40),
    asked=_IDS,
)


@given(target=_TARGETS)
def test_address_round_trips(target: Spot) -> None:
    assert Spot.parse(target.address) == target


@given(target=_TARGETS)
def test_repr_hides_the_token(target: Spot) -> None:
    assert "token" not in repr(target)


@pytest.mark.parametrize("address", ["", "5", "[]", '{"channel":', "null"])
def test_malformed_address_raises(address: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        Spot.parse(address)


def test_token_is_unused_shortly_before_its_end() -> None:
    target = Spot(1, token="t", until=NOW + 900)
    assert target.by_token(NOW)
    assert target.by_token(NOW + 879)
    assert not target.by_token(NOW + 881)
    assert not Spot(1, until=NOW + 900).by_token(NOW)


@pytest.mark.parametrize(
    ("right", "later_limit"),
    [("own", 50 << 20), ("closed", SMALLEST_LIMIT), ("lent", SMALLEST_LIMIT)],
)
def test_upload_limit_follows_the_way_of_posting(right: str, later_limit: int) -> None:
    target = Spot.parse(
        f'{{"channel":1,"right":"{right}","token":"t","until":{NOW + 900},'
        f'"lent_limit":{100 << 20},"own_limit":{50 << 20}}}'
    )
    assert target.limit(NOW) == 100 << 20
    assert target.limit(NOW + 900) == later_limit


def test_others_may_watch_everywhere_but_in_direct_messages() -> None:
    assert Spot(1, guild=2, right="own").watched
    assert Spot(1, right="lent").watched
    assert not Spot(1, right="own").watched


@given(channel=_IDS, message=_IDS)
def test_message_key_round_trips(channel: int, message: int) -> None:
    assert message_of(message_key(channel, message)) == (channel, message)


@given(user=_IDS)
def test_user_id_round_trips(user: int) -> None:
    assert user_of(person_id(user)) == user
