"""Do the vectors of docs/wire, which others test their programs with, say what we do?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.wire.vectors import PURE, transaction

FOLDER = Path(__file__).parents[2] / "docs" / "wire"


def stored(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", PURE)
def test_each_vector_is_what_our_own_function_returns(name: str) -> None:
    vectors = stored(name)
    assert vectors
    for vector in vectors:
        computed = PURE[name](vector)
        assert {key: vector[key] for key in computed} == computed, vector


async def test_the_transaction_is_what_a_lane_writes() -> None:
    assert stored("transaction") == await transaction()


def test_every_file_is_tested_and_named_on_the_page() -> None:
    files = {file.stem for file in FOLDER.glob("*.json")}
    assert files == {*PURE, "transaction"}
    page = (FOLDER.parent / "wire.md").read_text("utf-8")
    assert [name for name in files if f"(wire/{name}.json)" not in page] == []
