"""A provider and a front-end with scripted answers, for faults that take days at the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from bot.domain.commands import CountdownFormatter
from bot.domain.tasks import Delivery, Destination, Task, Video
from bot.presentation.task_messages import delivery_caption
from providers.base import Provider, ProviderOptions
from providers.http import HttpClient
from providers.types import (
    Capabilities,
    Download,
    Failed,
    Finished,
    Job,
    JobLookup,
    Pending,
    Progress,
    VideoRequest,
)

MP4 = (
    b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
    b"\x00\x00\x00\x0cmoov\x00\x00\x00\x00"
    b"\x00\x00\x00\x0cmdat\x00\x00\x00\x00"
)
"""The least that counts as a whole MP4."""

Answer = Progress | Job | Exception | bytes | bool | None


class ScriptedProvider(Provider):
    """Answers from lists, the last answer of a list again and again; keeps what it was asked."""

    kind = "sandbox"

    def __init__(
        self,
        directory: Path,
        *,
        find: JobLookup = JobLookup.UNSUPPORTED,
        cancel: bool = False,
        remix: bool = False,
        max_concurrent: int = 10,
        key: str = "k",
        priority: int = 0,
    ) -> None:
        options = ProviderOptions(
            kind="sandbox",
            api_key=SecretStr(key),
            max_concurrent=max_concurrent,
            priority=priority,
        )
        super().__init__(options, HttpClient(), directory)
        self.capabilities = Capabilities(job_lookup=find, cancel=cancel, remix=remix)
        self.create_received, self.answer_creates = asyncio.Event(), asyncio.Event()
        """A create has come in; creates are answered (as they are from the start)."""
        self.answer_creates.set()
        self.submits: list[Answer] = [None]
        """None: a job with an id of its own."""
        self.polls: list[Answer] = [Finished()]
        self.finds: list[Answer] = [None]
        self.cancels: list[Answer] = [True]
        self.downloads: list[Answer] = [MP4]
        self.checks: list[Answer] = [None]
        self.received: list[tuple[str, object]] = []

    def _answer(self, verb: str, about: object, answers: list[Answer]) -> Answer:
        self.received.append((verb, about))
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def count(self, verb: str) -> int:
        """How often it was asked for this."""
        return sum(1 for asked, _ in self.received if asked == verb)

    async def submit(self, request: VideoRequest) -> Job:
        self.create_received.set()
        await self.answer_creates.wait()
        answer = self._answer("submit", request, self.submits)
        assert answer is None or isinstance(answer, Job)
        return answer or Job(f"job-{request.idempotency_key}")

    async def poll(self, remote_id: str) -> Progress:
        answer = self._answer("poll", remote_id, self.polls)
        assert isinstance(answer, Pending | Finished | Failed)
        return answer

    async def find_job(
        self, request: VideoRequest, since: float, taken_ids: Collection[str] = ()
    ) -> Job | None:
        answer = self._answer("find", since, self.finds)
        assert answer is None or isinstance(answer, Job)
        return answer

    async def cancel(self, remote_id: str) -> bool:
        return bool(self._answer("cancel", remote_id, self.cancels))

    @asynccontextmanager
    async def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AsyncIterator[Download]:
        answer = self._answer("download", (finished, offset), self.downloads)
        assert isinstance(answer, bytes)

        async def chunks() -> AsyncIterator[bytes]:
            yield answer[offset:]

        yield Download(chunks(), len(MP4), "video/mp4", offset)

    async def check(self) -> str:
        self._answer("check", None, self.checks)
        return "scripted"


@dataclass
class ScriptedFrontEnd:
    """A chat that keeps what was posted, and fails as it is told."""

    name: str = "console"
    delivery_results: list[Exception | None] = field(default_factory=lambda: [None])
    message_results: list[Exception | None] = field(default_factory=lambda: [None])
    limit: int | None = None
    """The most bytes that it takes."""
    posted_videos: list[Video] = field(default_factory=list)
    found_receipt: str | None = None
    """What `posted` answers."""
    posted_texts: list[str] = field(default_factory=list)
    final_messages: list[str] = field(default_factory=list)
    status_texts: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    format_countdown: CountdownFormatter | None = None

    @staticmethod
    def _next(answers: list[Exception | None]) -> None:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is not None:
            raise answer

    def max_video_bytes(self, destination: Destination) -> int | None:
        del destination
        return self.limit

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        assert video.path.is_file()
        self.posted_videos.append(video)
        self._next(self.delivery_results)
        text = delivery_caption(task, repeated=delivery.repeated)
        self.posted_texts.append("\n".join(filter(None, (text, note))))
        return f"receipt-{task.id}"

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        del task, delivery
        return self.found_receipt

    async def send_final_message(self, task: Task, text: str) -> None:
        del task
        self._next(self.message_results)
        self.final_messages.append(text)

    async def update_status(self, task: Task, text: str) -> None:
        del task
        self.status_texts.append(text)

    async def alert_admins(self, text: str) -> None:
        self._next(self.message_results)
        self.alerts.append(text)
