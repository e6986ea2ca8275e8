"""Behaviour that all gateways with JSON dialects have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from providers import errors
from providers.base import Provider
from providers.http import HttpClient
from providers.types import Failed, FailureKind, Finished, ReferenceImage, VideoRequest
from tests.contract.gateways.benches import poll_until_settled
from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.fakes.gateways.json_gateway import FakeJsonGateway
from tests.fakes.gateways.jxincm import FakeJxincmGateway
from tests.fakes.gateways.mountsea import FakeMountseaGateway
from tests.support.json_gateways import (
    REFUSALS,
    download_video,
    open_provider,
    quick_gateway,
    with_prompt,
)

_KINDS: dict[str, tuple[type[FakeJsonGateway], VideoRequest]] = {
    "jimmy": (FakeJimmyGateway, VideoRequest("task1", "sora2-12s", "a red kite", 12)),
    "jxincm": (FakeJxincmGateway, VideoRequest("task1", "sora-2", "a red kite", 10)),
    "mountsea": (FakeMountseaGateway, VideoRequest("task1", "sora-2", "a red kite", 10)),
}


@dataclass(frozen=True)
class There:
    """A provider with its fake."""

    gateway: FakeJsonGateway
    provider: Provider
    request: VideoRequest


@pytest.fixture
async def there(
    request: pytest.FixtureRequest, http: HttpClient, tmp_path: Path
) -> AsyncIterator[There]:
    """The provider of the kind that the parametrization names."""
    made, wish = _KINDS[request.param]
    async with quick_gateway(made) as gateway:
        yield There(gateway, open_provider(request.param, http, gateway, tmp_path), wish)


_SQUARE: dict[str, object] = {"orientation": "square"}
_NO_LINK: dict[str, object] = {"image": ReferenceImage(Path("p.png"), "image/png", 1, 2)}


@pytest.mark.parametrize(
    ("there", "changes"),
    [
        *((kind, changes) for kind in _KINDS for changes in (_SQUARE, _NO_LINK)),
        ("jimmy", {"width": 720, "height": 720}),
        ("jimmy", {"remix_of": "task_1"}),
    ],
    indirect=["there"],
)
async def test_unsupported_request_is_rejected_before_sending(
    there: There, changes: dict[str, object]
) -> None:
    """Squares, images without a link, and remixes raise an error, and nothing is sent."""
    with pytest.raises(errors.Unsupported):
        await there.provider.submit(replace(there.request, **changes))  # type: ignore[arg-type]
    assert not there.gateway.requests


@pytest.mark.parametrize(
    ("there", "words", "kind", "accepted"),
    [
        *((kind, *expected) for kind in _KINDS for expected in REFUSALS),
        *(
            ("jimmy", f"{word} !in-200", error, accepted)
            for word, error, accepted in REFUSALS
            if word != "!fastapi"
        ),
    ],
    indirect=["there"],
)
async def test_rejection_is_mapped_to_its_error(
    there: There, words: str, kind: type[errors.ProviderError], accepted: bool
) -> None:
    """With its own HTTP status, or with 200 and a code: the same error and certainty."""
    with pytest.raises(errors.ProviderError) as raised:
        await there.provider.submit(with_prompt(there.request, words))
    assert type(raised.value) is kind
    assert raised.value.maybe_accepted is accepted


@pytest.mark.parametrize("there", ["jimmy", "mountsea"], indirect=True)
async def test_success_without_a_link_has_no_result_yet(there: There) -> None:
    """The job is finished, but its download raises `NoResult` until a poll returns the link."""
    one = there.provider
    job = await one.submit(with_prompt(there.request, "!late-link"))
    done = await poll_until_settled(one, job.remote_id)
    assert done == Finished()
    with pytest.raises(errors.NoResult):
        one.download(job.remote_id, done)
    await one.poll(job.remote_id)
    assert len(await download_video(one, job.remote_id)) > 1000


@pytest.mark.parametrize(
    ("there", "words"),
    [("jimmy", "!expired"), ("jxincm", "!expired"), ("jxincm", "!expired !no-link")],
    indirect=["there"],
)
async def test_expired_link_is_not_found_and_can_be_renewed(there: There, words: str) -> None:
    """The download raises `NotFound`, and another poll returns a new link."""
    job = await there.provider.submit(with_prompt(there.request, words))
    with pytest.raises(errors.NotFound):
        await download_video(there.provider, job.remote_id)
    assert len(await download_video(there.provider, job.remote_id)) > 1000


@pytest.mark.parametrize(
    ("there", "words", "kind"),
    [
        ("jimmy", "!failed", FailureKind.UPSTREAM),
        ("jimmy", "!failed !error-msg", FailureKind.UPSTREAM),
        ("jimmy", "!moderated", FailureKind.MODERATION),
        ("jimmy", "!moderated !error-msg !bare", FailureKind.MODERATION),
        ("jimmy", "!failed-as-canceled", FailureKind.CANCELLED),
        ("jimmy", "!failed-as-cancelled !bare", FailureKind.CANCELLED),
        ("jimmy", "!failed-as-timeout", FailureKind.TIMEOUT),
        ("jxincm", "!failed", FailureKind.UPSTREAM),
        ("jxincm", "!failed !reason", FailureKind.UPSTREAM),
        ("jxincm", "!failed !fail-reason", FailureKind.UPSTREAM),
        ("jxincm", "!failed !official", FailureKind.UPSTREAM),
        ("jxincm", "!moderated", FailureKind.MODERATION),
        ("jxincm", "!moderated !reason", FailureKind.MODERATION),
        ("jxincm", "!moderated !fail-reason", FailureKind.MODERATION),
        ("jxincm", "!moderated !error-text !official", FailureKind.MODERATION),
        ("jxincm", "!failed-as-video-generation-failed", FailureKind.UPSTREAM),
        ("jxincm", "!failed-as-error", FailureKind.UPSTREAM),
        ("mountsea", "!failed", FailureKind.UPSTREAM),
        ("mountsea", "!failed !flat", FailureKind.UPSTREAM),
        ("mountsea", "!moderated", FailureKind.MODERATION),
        ("mountsea", "!moderated !flat !wrapped", FailureKind.MODERATION),
        ("mountsea", "!failed-as-cancelled", FailureKind.CANCELLED),
        ("mountsea", "!failed-as-timeout", FailureKind.TIMEOUT),
        ("mountsea", "!failed-as-error", FailureKind.UPSTREAM),
    ],
    indirect=["there"],
)
async def test_failure_is_mapped_to_its_kind(there: There, words: str, kind: FailureKind) -> None:
    """The status words and reasons of the dialect, in all places where they occur."""
    job = await there.provider.submit(with_prompt(there.request, words))
    end = await poll_until_settled(there.provider, job.remote_id)
    assert isinstance(end, Failed)
    assert (end.kind, "render" in end.provider_message or "blocked" in end.provider_message) == (
        kind,
        True,
    )
