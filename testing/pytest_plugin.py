"""Which fixtures do a pipeline's tests get?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # pytest loads this module in every project where Farandole is installed
    from farandole.testing.pipeline import Pipeline

TOPOLOGY_FILE = "topology.yaml"
TOPOLOGY_OPTION = "farandole_topology"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        TOPOLOGY_OPTION,
        "The topology file of the fixture `pipeline`, relative to the root of the project; by "
        "default the nearest topology.yaml above the test.",
    )


@pytest.fixture
def pipeline(request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    """The pipeline of this project, in memory; each test has its own."""
    from farandole.testing.pipeline import Pipeline

    with Pipeline(_topology_file(request)) as running:
        yield running


def _topology_file(request: pytest.FixtureRequest) -> Path:
    """Return the file that the project's configuration names, or the nearest one."""
    configured = request.config.getini(TOPOLOGY_OPTION)
    if configured:
        return request.config.rootpath / str(configured)
    for folder in request.path.parents:
        if (folder / TOPOLOGY_FILE).exists():
            return folder / TOPOLOGY_FILE
    pytest.fail(
        f"there is no {TOPOLOGY_FILE} above {request.path}; name one in the configuration of "
        f"pytest: {TOPOLOGY_OPTION} = FILE"
    )
