"""Can the data contract of an event type be had from a console?"""

from __future__ import annotations

from pathlib import Path

import pytest

from farandole.operations.installation import Installation
from farandole.operations.quality import export_contract
from farandole.operations.quality.contract_file import read_contract
from tests.web.asgi_browser import Browser
from tests.web.guarded import asked_by_viewer, console_without_kafka
from tests.worker.checked import FEW, ODD, version_with

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
PATH = "/api/v1/quality/p/contract"


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    """A browser of a viewer, in which a version is in force whose event type `in` has checks."""

    async def newest(_: Installation, name: str | None) -> object:
        assert name == "p"
        return version_with({"few": FEW, "odd": ODD}, schema=SCHEMA)

    monkeypatch.setattr(export_contract, "newest_published", newest)
    return Browser(asked_by_viewer(console_without_kafka()))


def test_a_contract_is_a_file_that_can_be_imported(browser: Browser, tmp_path: Path) -> None:
    answer = browser.get(PATH, event="in", contract_version="2.1.0")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/yaml")
    name = "p.in.odcs.yaml"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    (tmp_path / name).write_text(answer.text)
    contract = read_contract(tmp_path / name)
    (described,) = contract["schema"]
    (column,) = described["properties"]
    assert (contract["version"], described["name"], column["name"]) == ("2.1.0", "in", "n")
    assert [rule["name"] for rule in described["quality"] + column["quality"]] == ["odd", "few"]


def test_a_mistyped_event_type_has_no_contract(browser: Browser) -> None:
    answer = browser.get(PATH, event="im")
    assert (answer.status, answer.code) == (404, "unknown_event_type")
    assert "there are asked, in," in answer.data["detail"]
