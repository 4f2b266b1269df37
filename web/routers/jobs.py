"""How far has come what the console does?"""

from __future__ import annotations

from fastapi import APIRouter

from farandole.web.access import Viewer
from farandole.web.console import CurrentConsole
from farandole.web.jobs import Job

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("")
async def list_jobs(console: CurrentConsole, principal: Viewer) -> list[Job]:
    """Return the jobs of this console, the newest first."""
    return console.jobs.all()


@router.get("/{job_id}")
async def show_job(console: CurrentConsole, principal: Viewer, job_id: str) -> Job:
    """Return a job. A console that has started anew knows none of its earlier jobs, and answers
    404 `unknown_job`."""
    return console.jobs.get(job_id)
