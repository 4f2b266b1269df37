"""Does a process answer scrapes, and say whether it is ready?"""

from __future__ import annotations

import socket
from pathlib import Path

import aiohttp
import pytest

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.operations.setup.metrics_address import read_addresses
from farandole.operations.setup.metrics_settings import MetricsSettings
from farandole.services.metrics_server import Answers, serve_metrics
from farandole.telemetry.meter import Report
from farandole.telemetry.metric_catalog import PARKED

REPORTS: dict[str, Report] = {"check": {PARKED.name: [(["orders", "check"], 3.0)]}}
SETTINGS = MetricsSettings()


async def asked(url: str, **headers: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


@pytest.mark.parametrize(
    ("accept", "kind", "end"),
    [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "3.0\n"),
        (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# EOF\n",
        ),
    ],
)
async def test_a_scrape_is_answered_in_the_format_that_it_asks_for(
    tmp_path: Path, accept: str, kind: str, end: str
) -> None:
    answers = Answers(lambda: REPORTS, list)
    async with serve_metrics(SETTINGS, tmp_path, "worker", answers) as url:
        assert url is not None
        status, found, text = await asked(url, Accept=accept)
    assert (status, found) == (200, kind)
    assert text.endswith(end)


async def test_a_process_is_alive_and_not_ready_while_it_does_not_progress(tmp_path: Path) -> None:
    unready: list[str] = []
    answers = Answers(lambda: REPORTS, lambda: unready)
    async with serve_metrics(SETTINGS, tmp_path, "worker", answers) as url:
        assert url is not None
        ready, alive = url.replace("/metrics", "/readyz"), url.replace("/metrics", "/healthz")
        assert await asked(ready) == (200, "application/json", '{"ok":true,"problems":[]}\n')
        unready.append("lane 3 has not opened")
        status, _, text = await asked(ready)
        assert (status, text) == (503, '{"ok":false,"problems":["lane 3 has not opened"]}\n')
        assert (await asked(alive))[0] == 200


async def test_the_address_is_kept_in_the_folder_while_it_answers(tmp_path: Path) -> None:
    async with serve_metrics(SETTINGS, tmp_path, "worker", Answers(dict, list)) as url:
        assert [(each.service, each.url) for each in read_addresses(tmp_path)] == [("worker", url)]
    assert read_addresses(tmp_path) == []


async def test_an_empty_host_means_that_nothing_is_answered(tmp_path: Path) -> None:
    nowhere = MetricsSettings(metrics_host="")
    async with serve_metrics(nowhere, tmp_path, "worker", Answers(dict, list)) as url:
        assert url is None


async def test_a_port_that_is_taken_is_an_error_that_says_how_to_choose_another(
    tmp_path: Path,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = MetricsSettings(metrics_port=taken.getsockname()[1])
        with pytest.raises(InvalidSettingsError, match="FARANDOLE_METRICS_PORT"):
            async with serve_metrics(settings, tmp_path, "worker", Answers(dict, list)):
                pass
