"""Do tests that share an expensive fixture run in one worker?"""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("together")
def test_a_group_of_tests_goes_to_one_worker(request: pytest.FixtureRequest) -> None:
    # xdist distributes by the suffix that it gives to a test's id.
    grouped = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@together") == grouped
