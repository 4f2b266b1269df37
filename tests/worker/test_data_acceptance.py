"""Is what a check would reject or park refused before it is published?"""

from __future__ import annotations

from pathlib import Path

import pytest

from farandole.testing import Pipeline
from farandole.worker.data_acceptance import DataProblem, data_problems
from tests.testing.projects import write_project
from tests.testing.test_pipeline import CHECKED


@pytest.mark.parametrize(
    ("cents", "said"),
    [
        (1, []),
        (-1, ["paid: cents is '-1', and the least is 0"]),
        (5_000, ["small: cents is '5000', and the greatest is 1000"]),
    ],
)
def test_the_checks_of_its_readers_judge_a_trigger(
    tmp_path: Path, cents: int, said: list[str]
) -> None:
    with Pipeline(write_project(tmp_path, CHECKED)) as shop:
        data = b'{"customer": "ann", "cents": %d}' % cents
        found = data_problems(tmp_path, shop.version, "order.placed", data)
        assert [*found] == [DataProblem("check", (), each) for each in said]
