"""Signed links: they cannot be forged, expire on time, and open only our media files."""

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
    """A storage with an image and a result."""
    spool = MediaStorage(tmp_path / "data")
    for path in (spool.image_path(NAME), spool.result_path("k3xw.mp4")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    return spool


# --- links -------------------------------------------------------------------------------


@given(_names, st.floats(0, 1e11), st.floats(1e-3, 1e9))
def test_link_works_exactly_as_long_as_promised(name: str, now: float, valid_for: float) -> None:
    """For the requested time, and at most a second more."""
    token = _token(LINKS.create_link(name, now, valid_for))
    assert LINKS.resolve_token(token, now) == name
    assert LINKS.resolve_token(token, max(now, now + valid_for - 1e-4)) == name
    assert LINKS.resolve_token(token, now + valid_for + 1) is None


@given(_names)
def test_token_needs_no_quoting_and_keeps_the_extension(name: str) -> None:
    """It passes every chat and proxy unchanged; some gateways check the extension."""
    token = _token(LINKS.create_link(name, NOW, 60))
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.[a-z0-9]+", token)
    assert token.endswith(Path(name).suffix)


@pytest.mark.parametrize("base_url", ["https://bot.example.org", "https://bot.example.org/"])
def test_link_starts_with_the_public_url(base_url: str) -> None:
    """With or without a trailing slash there."""
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
def test_any_text_as_a_token_opens_nothing(token: str) -> None:
    """The result is None, never an exception."""
    assert LINKS.resolve_token(token, NOW) is None


@given(st.binary(max_size=120), st.sampled_from(["", *MEDIA_TYPES]))
def test_any_bytes_as_a_token_open_nothing(raw: bytes, ending: str) -> None:
    """As above, for texts that look like tokens."""
    token = urlsafe_b64encode(raw).rstrip(b"=").decode() + ending
    assert LINKS.resolve_token(token, NOW) is None


@given(st.data(), _names)
def test_changed_token_opens_nothing(data: st.DataObject, name: str) -> None:
    """A letter changed, added or removed, also where Base64 decodes to the same bytes."""
    token = _token(LINKS.create_link(name, NOW, 60))
    at = data.draw(st.integers(0, len(token) - 1))
    end = at + data.draw(st.integers(0, 1))
    changed = token[:at] + data.draw(st.text(max_size=2)) + token[end:]
    if changed != token:
        assert LINKS.resolve_token(changed, NOW) is None


@pytest.mark.parametrize("more", ["=", "==", "\n", " ", "%00", "\x00", ".jpg", "/..", "?x=1"])
def test_token_with_a_suffix_opens_nothing(more: str) -> None:
    """A file has exactly one valid token at a time."""
    token = _token(LINKS.create_link(NAME, NOW, 60))
    assert LINKS.resolve_token(token + more, NOW) is None
    assert LINKS.resolve_token(more + token, NOW) is None


def test_extension_of_a_token_is_signed() -> None:
    """An image cannot be requested as a video."""
    token = _token(LINKS.create_link(NAME, NOW, 60))
    assert LINKS.resolve_token(token.removesuffix(".jpg") + ".mp4", NOW) is None
    assert LINKS.resolve_token(token.removesuffix(".jpg"), NOW) is None


def test_token_of_another_secret_opens_nothing() -> None:
    """Two installations do not accept each other's links."""
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
def test_only_plain_media_files_can_be_linked(name: str, spool: MediaStorage) -> None:
    """Neither is a link created, nor is the file found by its name."""
    with pytest.raises(ValueError, match="must not be published"):
        LINKS.create_link(name, NOW, 60)
    assert find_public_file(spool, name) is None


@pytest.mark.parametrize("size", [0, 1, 31])
def test_short_secret_is_rejected(size: int) -> None:
    """With an empty one everybody could sign."""
    with pytest.raises(ValueError, match="is too short"):
        SignedLinks("https://bot.example.org", bytes(size))


def test_repr_does_not_show_the_secret() -> None:
    """Objects may appear in log lines."""
    assert repr(SECRET)[2:20] not in repr(LINKS)


# --- files -------------------------------------------------------------------------------


def test_images_and_results_are_found_in_their_folders(spool: MediaStorage) -> None:
    """And not under the name of the other kind."""
    assert find_public_file(spool, NAME) == spool.image_path(NAME)
    assert find_public_file(spool, "k3xw.mp4") == spool.result_path("k3xw.mp4")
    assert find_public_file(spool, "gone.jpg") is None
    assert find_public_file(spool, "gone.mp4") is None


def test_special_files_are_not_published(spool: MediaStorage, tmp_path: Path) -> None:
    """A folder, a pipe or a symbolic link could lead to anything."""
    (tmp_path / "secret").write_text("secret")
    spool.image_path("a.jpg").symlink_to(tmp_path / "secret")
    spool.image_path("b.jpg").mkdir()
    os.mkfifo(spool.result_path("c.mp4"))
    for name in ("a.jpg", "b.jpg", "c.mp4", "x" * 300 + ".jpg"):
        assert find_public_file(spool, name) is None


# --- the secret --------------------------------------------------------------------------


def test_concurrent_processes_get_one_secret(tmp_path: Path) -> None:
    """Each locks the file by a descriptor of its own, as processes do."""
    start = Barrier(4)

    def ask(folder: Path) -> bytes:
        start.wait()
        return load_or_create_secret(folder)

    with ThreadPoolExecutor(4) as pool:
        for number in range(50):
            found = set(pool.map(ask, [tmp_path / str(number)] * 4))
            assert [len(secret) for secret in found] == [32]


def test_secret_survives_a_restart_and_is_private(tmp_path: Path) -> None:
    """Earlier links still work; other users of the machine cannot read it."""
    secret = load_or_create_secret(tmp_path)
    assert load_or_create_secret(tmp_path) == secret
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_or_create_secret(tmp_path / "other") != secret


@pytest.mark.parametrize("left", [b"", b"short"])
def test_incomplete_secret_is_replaced(tmp_path: Path, left: bytes) -> None:
    """After a crash while it was written; it was never used before."""
    (tmp_path / "links.key").write_bytes(left)
    secret = load_or_create_secret(tmp_path)
    assert len(secret) == 32
    assert not left or not secret.startswith(left)
    assert load_or_create_secret(tmp_path) == secret
