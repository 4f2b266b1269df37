"""Which file of the client answers a request of the browser?"""

from __future__ import annotations

import html
import re
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

STATIC = Path(__file__).with_name("static")
"""The built client; `make web` and every installation write it."""

_FILE = re.compile(r"(?:assets/)?[\w-][\w.-]{0,200}\.\w{1,20}", re.ASCII)
"""Any other path is one of the client's page."""
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASK_EACH_TIME = {"Cache-Control": "no-cache"}

_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Farandole</title></head><body>
<h1>The console's pages are not built</h1>
<p>The API below <code>{api}</code> works. To build the pages, in a checkout of Farandole:</p>
<pre>make web</pre>
<p>It fetches Node from the Python package index and packages from npm's. An installation of
Farandole does the same; where it could not, it said why.</p>
</body></html>
"""


def add_client(application: FastAPI, static: Path = STATIC) -> None:
    """Answer each path that no route before has: a file of the client, else its page, which finds
    out by itself what the path shows. Call it after all routes of the API are included."""

    @application.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def client(path: str, request: Request) -> Response:
        if path == "api" or path.startswith("api/"):
            raise HTTPException(404, "the API has no such path")
        if _FILE.fullmatch(path) and path != "index.html":
            return _answer_file(static, path, request)
        # The browser counts as levels what it has written as slashes: a name may have others.
        written = request.scope.get("raw_path", b"").lower().count(b"%2f")
        up = "../" * (path.count("/") - written) or "./"
        return _answer_page(static, up, getattr(request.state, "style_nonce", ""))


def _answer_file(static: Path, path: str, request: Request) -> Response:
    """Return a file; those in `assets` have a hash in their name and never change."""
    headers = dict(_FOR_EVER if path.startswith("assets/") else _ASK_EACH_TIME)
    file = static / path
    if not file.is_file():
        raise HTTPException(404, "the client has no such file; load the page anew")
    compressed = file.with_name(f"{file.name}.gz")
    if compressed.is_file():
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            return FileResponse(
                compressed,
                headers={**headers, "Content-Encoding": "gzip"},
                media_type=FileResponse(file).media_type,
            )
    return FileResponse(file, headers=headers)


def _answer_page(static: Path, up: str, style_nonce: str) -> Response:
    """Return the client's one page. Its addresses are relative, so that it works under any base
    path: `up` leads to it from where the page is. `style_nonce` is that of the policy that the page
    is sent with."""
    try:
        page = (static / "index.html").read_text()
    except FileNotFoundError:
        return HTMLResponse(_NOT_BUILT.format(api=html.escape(f"{up}api/v1")), 503)
    page = page.replace('"./', f'"{up}').replace(
        'name="style-nonce" content=""', f'name="style-nonce" content="{html.escape(style_nonce)}"'
    )
    return HTMLResponse(page, headers=_ASK_EACH_TIME)
