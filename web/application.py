"""How is the console wired: routes and errors?"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from farandole.operations.topology.draft_check import DraftChecker
from farandole.web.console import Console
from farandole.web.problems import Problem, add_error_handlers
from farandole.web.request_guard import API
from farandole.web.routers import (
    actions,
    control,
    dead_letters,
    events,
    graph,
    incidents,
    jobs,
    parked,
    pipelines,
    quality,
    run,
    runs,
    schedules,
    services,
    session,
    stream,
    topology,
    trigger,
)
from farandole.web.static_files import add_client

ROUTERS: tuple[APIRouter, ...] = (
    actions.router,
    control.router,
    dead_letters.router,
    events.router,
    graph.router,
    incidents.router,
    jobs.router,
    parked.router,
    pipelines.router,
    quality.router,
    runs.router,
    run.router,
    schedules.router,
    services.router,
    session.router,
    stream.router,
    topology.router,
    trigger.router,
)
"""The routes below `/api/v1`, one router for each resource."""


def create_application(console: Console) -> FastAPI:
    """Return the application that answers the browser, behind a RequestGuard."""
    application = FastAPI(
        title="Farandole",
        version="1",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={"default": {"model": Problem, "description": "An error"}},
    )
    application.state.console = console
    installation = console.installation
    application.state.checker = DraftChecker(installation.folder, installation.settings.namespace)
    add_error_handlers(application)
    for router in ROUTERS:
        application.include_router(router, prefix=API)
    application.include_router(session.link_router)
    add_client(application)
    return application
