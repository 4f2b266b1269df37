"""Who am I, and what is this installation?"""

from __future__ import annotations

import time
from importlib.metadata import version as release
from typing import Annotated, Literal, cast

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, SecretStr

from farandole.web.access import Viewer
from farandole.web.access_token import COOKIE_SECONDS
from farandole.web.console import CurrentConsole

router = APIRouter(tags=["session"])
link_router = APIRouter(include_in_schema=False)
"""What is not below `/api/v1`."""


RoleName = Literal["viewer", "operator", "editor"]


class Session(BaseModel):
    """Who asks, and what they see."""

    name: str
    role: RoleName
    may_reveal: bool
    """True if personal data may be shown unmasked."""
    auth: Literal["token", "proxy", "none"]
    """How people are recognised."""
    namespace: str
    bootstrap: str
    cluster: str | None
    """The id of Kafka's cluster; None if any is spoken to."""
    folder: str
    release: str
    """Of Farandole."""
    url: str | None
    """Where people find the console, for links; None if it is not known."""


class SignIn(BaseModel):
    """What the link has too."""

    token: SecretStr


@router.get("/session")
async def show_session(console: CurrentConsole, principal: Viewer) -> Session:
    """Return who asks, with which rights, and which installation this is."""
    settings = console.installation.settings
    return Session(
        name=principal.name,
        role=cast(RoleName, principal.role.name.lower()),
        may_reveal=principal.may_reveal,
        auth=console.web.web_auth,
        namespace=settings.namespace,
        bootstrap=settings.bootstrap or "",
        cluster=settings.cluster_id,
        folder=str(console.installation.folder.resolve()),
        release=release("farandole"),
        url=console.web.web_url,
    )


@router.post("/sign-in", status_code=204)
async def sign_in(console: CurrentConsole, request: Request, body: SignIn) -> Response:
    """Give the browser its cookie, for the token."""
    response = Response(status_code=204)
    _set_cookie(response, console, request, body.token.get_secret_value())
    return response


@router.post("/sign-out", status_code=204)
async def sign_out(console: CurrentConsole, principal: Viewer) -> Response:
    """Let the browser forget its cookie."""
    response = Response(status_code=204)
    response.delete_cookie(console.token.cookie_name, path="/", httponly=True, samesite="strict")
    return response


@link_router.get("/login")
async def follow_link(
    console: CurrentConsole, request: Request, token: Annotated[str, Query(max_length=500)] = ""
) -> Response:
    """Give the browser its cookie, for the token in the link that was printed, and go to the first
    page: the token does not stay in the address."""
    response = RedirectResponse("./", 303)
    _set_cookie(response, console, request, token)
    return response


def _set_cookie(response: Response, console: CurrentConsole, request: Request, shown: str) -> None:
    """Raises HTTPException 401 if that is not the token, and 404 where there is none."""
    if console.web.web_auth != "token":
        raise HTTPException(404, "nobody signs in here")
    if not console.token.matches(shown):
        raise HTTPException(401, "the token is not that of this console")
    url = console.web.web_url
    response.set_cookie(
        console.token.cookie_name,
        console.token.make_cookie(time.time()),
        max_age=COOKIE_SECONDS,
        path="/",
        httponly=True,
        samesite="strict",
        secure=url is not None and url.startswith("https:"),
    )
    response.headers["cache-control"] = "no-store"
