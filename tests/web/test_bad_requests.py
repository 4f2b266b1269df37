"""Is a request that means nothing answered as one, and not as a fault of ours?"""

from __future__ import annotations

import pytest

from tests.web.asgi_browser import Browser
from tests.web.guarded import asked_by_viewer, console_without_kafka


@pytest.mark.parametrize("start", ["2026-11-30T00:00:00", "yesterday", ""])
def test_a_moment_needs_its_zone(start: str) -> None:
    client = Browser(asked_by_viewer(console_without_kafka()))
    answer = client.get("/api/v1/schedules/calendar", start=start, end="2026-12-01T00:00:00Z")
    assert (answer.status, answer.code) == (400, "invalid_request")
