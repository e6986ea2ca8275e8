"""Error texts about the model itself are distinguished from texts about an option."""

from __future__ import annotations

import json

import pytest

from providers import errors, response_parser
from providers.http_errors import raise_for_status
from providers.types import Failed, FailureKind

GONE = [
    "model_not_found",
    "model not found",
    "The model `sora-2` does not exist.",
    "The model 'sora-2' does not exist or you do not have access to it.",
    "Model Not Exist",
    "model: sora-2 not found",
    "model_id openai/sora-2 could not be found",
    "The requested model is not supported.",
    'model "Sora Two" is not supported',
    "This model is currently unavailable",
    "This model is not available for your tier",
    "Model sora-2 is no longer available.",
    "the model sora-2 has been deprecated and is no longer served",
    "models/sora-2 is not found for API version v1",
    "当前分组 default 下对于模型 sora-2 无可用渠道",
    "no available channel for model sora-2",
    "This interface is temporarily paused",
]
"""The gateway no longer serves the model, whatever the options."""
OPTIONS = [
    "parameter seconds=12 is not supported",
    "size is not supported for this model",
    "Unsupported parameter: 'style' is not supported with this model.",
    "model sora-2: parameter seconds=12 is not supported",
    "For model sora-2, size 1792x1024 is not supported",
    "The model sora-2 does not support 25 seconds",
    "model sora-2 no longer supports style",
    "The model `sora-2` is not supported with size 1792x1024",
    "model sora-2 is not available for 25 seconds",
    "The model parameter input_reference is not supported",
    "parameter model_version is deprecated",
    "The field orientation is deprecated, use size",
    "1080p is temporarily paused",
    "the model refused: reference image not found",
]
"""The model works with other options."""


@pytest.mark.parametrize("said", GONE)
def test_removed_model_is_recognized(said: str) -> None:
    """Clear statements about the model itself, in an error and in a failed job."""
    assert _refused(said) is errors.ModelUnavailable
    assert _failed(said) is FailureKind.MODEL_UNAVAILABLE


@pytest.mark.parametrize("said", OPTIONS)
def test_rejected_option_does_not_disable_the_model(said: str) -> None:
    """The rejection of an option affects that request only."""
    assert _refused(said) is errors.Rejected
    assert _failed(said) is FailureKind.UPSTREAM


def _refused(said: str) -> type[errors.ProviderError]:
    with pytest.raises(errors.ProviderError) as raised:
        raise_for_status(400, {}, json.dumps({"error": {"message": said}}).encode())
    return type(raised.value)


def _failed(said: str) -> FailureKind:
    progress = response_parser.parse_progress(
        {"id": "v", "status": "failed", "error": {"message": said}}
    )
    assert isinstance(progress, Failed)
    return progress.kind
