"""What is the balance sheet of a run that is known from memory?"""

from __future__ import annotations

import time

from farandole.operations.errors import NotFoundError, operation
from farandole.operations.installation import Installation
from farandole.operations.read_model.read_model import ReadModel
from farandole.operations.runs.balance_sheet import RunResult, balance_sheet
from farandole.operations.runs.bookkeeper_lag import BookkeeperLag
from farandole.operations.runs.show_run import RunRequest, show_run, version_of_run


@operation
async def show_known_run(
    model: ReadModel, installation: Installation, run: str, lag: BookkeeperLag
) -> RunResult:
    """Return the sheet of a run as `show_run` does, without a look at all rows if the read model
    knows the run. `lag`: that of the bookkeeper, of late. Raises as `show_run`."""
    try:
        row = await model.run_row(run)
    except NotFoundError:
        # Perhaps the beginning of an id, or a run whose root no stage has worked yet.
        return await show_run(installation, RunRequest(run))
    versions = model.topology.of(row["pipeline"])
    topology = next((v for v in versions if v.version == row["version"]), None)
    if topology is None:  # perhaps the model has just been opened and has not read so far
        topology = await version_of_run(installation.settings, row)
    stale = lag.problem() if row["closed"] is None else None
    return balance_sheet(row, int(time.time() * 1000), topology, stale)
