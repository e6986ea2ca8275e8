"""Links to our files: nobody makes one but us, none outlives its time, none leads elsewhere."""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.media.links import MEDIA_TYPES, SignedLinks, find_public_file, load_or_create_secret
from bot.media.storage import MediaStorage

NOW = 1_800_000_000.0
SECRET = bytes(range(32))
NAME = "k3xw-0a1b2c3d.jpg"
LINKS = SignedLinks("https://bot.example.org", SECRET)

_names = st.builds(
    lambda stem, ending: stem + ending,
    st.from_regex(r"[\w-][\w.-]{0,40}", fullmatch=True),
    st.sampled_from(sorted(MEDIA_TYPES)),
)


def _token(link: str) -> str:
    return link.removeprefix("https://bot.example.org/media/")


@pytest.fixture
def spool(tmp_path: Path) -> MediaStorage:
    """A spool with a picture and a result."""
    spool = MediaStorage(tmp_path / "data")
    for path in (spool.image_path(NAME), spool.result_path("k3xw.mp4")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    return spool


# --- links -------------------------------------------------------------------------------


@given(_names, st.floats(0, 1e11), st.floats(1e-3, 1e9))
def test_a_link_opens_as_long_as_it_was_promised_and_no_longer(
    name: str, now: float, valid_for: float
) -> None:
    """For the whole time that was asked for, and at most a second more."""
    token = _token(LINKS.create_link(name, now, valid_for))
    assert LINKS.resolve_token(token, now) == name
    assert LINKS.resolve_token(token, max(now, now + valid_for - 1e-4)) == name
    assert LINKS.resolve_token(token, now + valid_for + 1) is None


@given(_names)
def test_a_token_needs_no_quoting_and_ends_like_its_file(name: str) -> None:
    """It goes through every chat and proxy as it is; some gateways look at the ending."""
    token = _token(LINKS.create_link(name, NOW, 60))
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.[a-z0-9]+", token)
    assert token.endswith(Path(name).suffix)


@pytest.mark.parametrize("base_url", ["https://bot.example.org", "https://bot.example.org/"])
def test_a_link_stands_under_the_public_address(base_url: str) -> None:
    """With or without a closing slash there."""
    link = SignedLinks(base_url, SECRET).create_link(NAME, NOW, 60)
    assert link.startswith("https://bot.example.org/media/")


@given(st.text())
@example("")
@example(".")
@example(".jpg")
@example("\ud800")
@example("../../etc/passwd")
@example("é" * 100)
@example("A" * 10_000)
def test_no_token_but_ours_opens_anything(token: str) -> None:
    """Whatever the text, the answer is None and never an exception."""
    assert LINKS.resolve_token(token, NOW) is None


@given(st.binary(max_size=120), st.sampled_from(["", *MEDIA_TYPES]))
def test_no_bytes_but_ours_open_anything(raw: bytes, ending: str) -> None:
    """As above, for texts that look like tokens."""
    token = urlsafe_b64encode(raw).rstrip(b"=").decode() + ending
    assert LINKS.resolve_token(token, NOW) is None


@given(st.data(), _names)
def test_a_token_changed_anywhere_opens_nothing(data: st.DataObject, name: str) -> None:
    """Another letter, one more, one less: also where Base64 would read the same bytes."""
    token = _token(LINKS.create_link(name, NOW, 60))
    at = data.draw(st.integers(0, len(token) - 1))
    end = at + data.draw(st.integers(0, 1))
    changed = token[:at] + data.draw(st.text(max_size=2)) + token[end:]
    if changed != token:
        assert LINKS.resolve_token(changed, NOW) is None


@pytest.mark.parametrize("more", ["=", "==", "\n", " ", "%00", "\x00", ".jpg", "/..", "?x=1"])
def test_a_token_with_something_after_it_opens_nothing(more: str) -> None:
    """One file has one address at a time."""
    token = _token(LINKS.create_link(NAME, NOW, 60))
    assert LINKS.resolve_token(token + more, NOW) is None
    assert LINKS.resolve_token(more + token, NOW) is None


def test_the_ending_of_a_token_is_signed_too() -> None:
    """A picture cannot be asked for as a video."""
    token = _token(LINKS.create_link(NAME, NOW, 60))
    assert LINKS.resolve_token(token.removesuffix(".jpg") + ".mp4", NOW) is None
    assert LINKS.resolve_token(token.removesuffix(".jpg"), NOW) is None


def test_another_secret_opens_nothing() -> None:
    """Two installations do not open each other's links."""
    token = _token(SignedLinks("https://bot.example.org", bytes(32)).create_link(NAME, NOW, 60))
    assert LINKS.resolve_token(token, NOW) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".jpg",
        "../k3xw.jpg",
        "/etc/passwd.jpg",
        "folder/k3xw.jpg",
        "k3xw.jpg/",
        "k3xw.mp4.part",
        "reelay.db",
        "links.key",
        "k3xw.JPG",
        "k3xw.svg",
        "k3xw\x00.jpg",
        "k3xw\n.jpg",
        "k3xw",
    ],
)
def test_no_link_is_made_to_anything_but_a_plain_file_of_ours(
    name: str, spool: MediaStorage
) -> None:
    """Not by mistake either; and were there such a link, it would lead nowhere."""
    with pytest.raises(ValueError, match="must not be published"):
        LINKS.create_link(name, NOW, 60)
    assert find_public_file(spool, name) is None


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_short_secret_is_refused(size: int) -> None:
    """An empty one would let everybody sign."""
    with pytest.raises(ValueError, match="is too short"):
        SignedLinks("https://bot.example.org", bytes(size))


def test_the_secret_shows_in_no_text_of_the_object() -> None:
    """A log line may well say what it works with."""
    assert repr(SECRET)[2:20] not in repr(LINKS)


# --- files -------------------------------------------------------------------------------


def test_pictures_and_results_are_found_in_their_folders(spool: MediaStorage) -> None:
    """And nothing by the name of the other kind."""
    assert find_public_file(spool, NAME) == spool.image_path(NAME)
    assert find_public_file(spool, "k3xw.mp4") == spool.result_path("k3xw.mp4")
    assert find_public_file(spool, "gone.jpg") is None
    assert find_public_file(spool, "gone.mp4") is None


def test_what_is_no_plain_file_is_not_shown(spool: MediaStorage, tmp_path: Path) -> None:
    """A folder, a pipe or a link that somebody put there could be anything."""
    (tmp_path / "secret").write_text("secret")
    spool.image_path("a.jpg").symlink_to(tmp_path / "secret")
    spool.image_path("b.jpg").mkdir()
    os.mkfifo(spool.result_path("c.mp4"))
    for name in ("a.jpg", "b.jpg", "c.mp4", "x" * 300 + ".jpg"):
        assert find_public_file(spool, name) is None


# --- the secret --------------------------------------------------------------------------


def test_all_who_start_at_once_get_one_secret(tmp_path: Path) -> None:
    """Each takes the lock through a descriptor of its own, as processes do."""
    start = Barrier(4)

    def ask(folder: Path) -> bytes:
        start.wait()
        return load_or_create_secret(folder)

    with ThreadPoolExecutor(4) as pool:
        for number in range(50):
            found = set(pool.map(ask, [tmp_path / str(number)] * 4))
            assert [len(secret) for secret in found] == [32]


def test_the_secret_outlives_a_restart_and_is_ours_alone(tmp_path: Path) -> None:
    """Links made before still open; nobody else on the machine can read it."""
    secret = load_or_create_secret(tmp_path)
    assert load_or_create_secret(tmp_path) == secret
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_or_create_secret(tmp_path / "other") != secret


@pytest.mark.parametrize("left", [b"", b"short"])
def test_a_secret_that_a_crash_left_half_written_is_made_anew(tmp_path: Path, left: bytes) -> None:
    """Nobody can have used it: its writer died before it was told."""
    (tmp_path / "links.key").write_bytes(left)
    secret = load_or_create_secret(tmp_path)
    assert len(secret) == 32
    assert not left or not secret.startswith(left)
    assert load_or_create_secret(tmp_path) == secret
