"""Which runs may enter which gated stages?

`farandole.gates` has a row for each gate that is open to a run, for as long as the run is open: the
bookkeeper writes it once all that is upstream of the stage is worked and its checks have passed.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

import orjson

GateState = Literal["open", "failed", "released"]
"""`failed`: a check has not passed, and nothing of the run enters. `released`: somebody has let it
in all the same."""


class RunGate(TypedDict):
    """What a run's row says of one gated stage, once all that is upstream of it is worked."""

    state: GateState
    at: int
    """When it was judged last, in milliseconds of the epoch."""
    worked: int
    """How many events upstream were worked by then and have not died: a replay adds to them, and a
    gate that has failed is judged again."""
    failed: NotRequired[dict[str, str]]
    """Why each check has not passed, by `event type/check`."""


def gate_key(pipeline: str, stage: str, run: bytes) -> bytes:
    """Return the key of the row that opens the gate of a stage to a run."""
    return b"%b/%b/%b" % (pipeline.encode(), stage.encode(), run)


def gate_row(version: int, at: int) -> bytes:
    """Return the value of that row. `at`: milliseconds of the epoch."""
    return orjson.dumps({"state": "open", "version": version, "at": at})


def are_run_gates(found: object) -> bool:
    """Return True for gates by stage, as a bookkeeper writes them."""
    return isinstance(found, dict) and all(
        type(stage) is str
        and type(gate) is dict
        and type(gate.get("state")) is str
        and type(gate.get("at")) is int
        and type(gate.get("worked")) is int
        and type(gate.get("failed", {})) is dict
        and all(type(why) is str for why in gate.get("failed", {}).values())
        for stage, gate in found.items()
    )
