"""What goes on in the console for longer than a request, and how far has it come?

A job is known only to the console that has started it. What it does is done exactly once by its
operation; nobody starts it again, whatever becomes of the console.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, Literal

import structlog
from pydantic import BaseModel

from farandole.operations.errors import NotFoundError, OperationError, UnavailableError

log = structlog.get_logger()

MAX_RUNNING = 8
MAX_KEPT = 200
"""Jobs that have ended and can still be asked for; the oldest are forgotten first."""

JobState = Literal["running", "done", "failed"]
Progress = Callable[[str, int, int], None]
"""Called with a part of the job (a stage), how much of it is done, and how much it is in all."""


class JobError(BaseModel):
    """Why a job has failed, as in a Problem."""

    code: str
    detail: str
    fields: dict[str, Any] = {}


class Job(BaseModel):
    """Something that goes on, or has ended."""

    id: str
    what: str
    """The deed, such as `dead replay`."""
    title: str
    """For people: `Replay 27 letters of validate`."""
    by: str
    state: JobState = "running"
    done: int = 0
    total: int
    started: datetime
    ended: datetime | None = None
    runs: list[str] = []
    """Runs whose books it changes; the first few."""
    result: dict[str, Any] | None = None
    """What the operation has returned; None until it has."""
    error: JobError | None = None


class Jobs:
    """The jobs of one console."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(
        self,
        what: str,
        title: str,
        by: str,
        total: int,
        deed: Callable[[Progress], Awaitable[BaseModel]],
        runs: Sequence[str] = (),
    ) -> Job:
        """Start a job of `total` parts and return it. Raises UnavailableError `too_many_jobs`."""
        if len(self._tasks) >= MAX_RUNNING:
            raise UnavailableError(
                "too_many_jobs",
                f"this console is at {MAX_RUNNING} jobs already; wait until one has ended",
            )
        job = Job(
            id=token_hex(8),
            what=what,
            title=title,
            by=by,
            total=total,
            started=datetime.now(UTC),
            runs=[*runs],
        )
        self._jobs[job.id] = job
        self._tasks[job.id] = asyncio.create_task(self._run(job, deed))
        return job

    def get(self, job_id: str) -> Job:
        """Return a job. Raises NotFoundError `unknown_job`."""
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFoundError(
                "unknown_job",
                f"this console knows no job {job_id[:40]!r}: it has started anew since, or another "
                "one runs the job. What the job has done is done; look at the letters and at the "
                "audit log before you do anything again",
                job=job_id[:40],
            )
        return job

    def all(self) -> list[Job]:
        """Return the jobs, the newest first."""
        return [*reversed(self._jobs.values())]

    async def close(self) -> None:
        """Stop what still goes on, and wait until it has stopped. Whole transactions stay done."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: Job, deed: Callable[[Progress], Awaitable[BaseModel]]) -> None:
        parts: dict[str, int] = {}

        def progress(part: str, done: int, _: int) -> None:
            parts[part] = done
            job.done = sum(parts.values())

        try:
            result = await deed(progress)
        except OperationError as error:
            data = error.to_data()
            job.error = JobError(code=error.code, detail=data["message"], fields=data["fields"])
        except asyncio.CancelledError:
            job.error = JobError(
                code="interrupted",
                detail="the console was stopped; what was done by then stays done",
            )
            raise
        except Exception as error:
            log.exception("web.job_failed", job=job.id, what=job.what, exc_info=error)
            job.error = JobError(
                code="fault", detail="this is a fault of Farandole; the log says more"
            )
        else:
            job.result = result.model_dump(mode="json", by_alias=True)
        finally:
            job.state = "failed" if job.error else "done"
            job.ended = datetime.now(UTC)
            del self._tasks[job.id]
            self._forget()

    def _forget(self) -> None:
        ended = [job.id for job in self._jobs.values() if job.state != "running"]
        for job_id in ended[: max(0, len(ended) - MAX_KEPT)]:
            del self._jobs[job_id]
