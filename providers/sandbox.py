"""A gateway inside the process: offline, free, and it renders a real video."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from providers.base import (
    Capabilities,
    Download,
    Finding,
    Finished,
    Job,
    Progress,
    Provider,
    VideoRequest,
)
from providers.errors import NotFound


class Sandbox(Provider):
    """Being completed."""

    kind: ClassVar[str] = "sandbox"
    key_required: ClassVar[bool] = False
    capabilities = Capabilities(find=Finding.CERTAIN, cancel=True, remix=True)

    async def submit(self, request: VideoRequest) -> Job:
        raise NotFound

    async def poll(self, remote_id: str) -> Progress:
        raise NotFound

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        raise NotFound

    async def check(self) -> str:
        return ""
