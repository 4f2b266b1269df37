"""What do the control documents in force say of one stage?"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Protocol

from farandole.events.controls_in_force import DrainInForce, StageMode
from farandole.events.throttles_in_force import RateInForce
from farandole.worker.flag_snapshot import FlagSnapshot


class StageControls(Protocol):
    """The answers for one stage. Each is cheap, and asked once for each batch;
    `farandole.worker.control_state.ControlState` gives them."""

    def cancelled_runs(self) -> Set[bytes]:
        """Return the ids of the runs of which no event is to be handled."""
        ...

    def released_runs(self) -> Set[bytes]:
        """Return the ids of the runs that a person has let into the stage, whatever its checks
        say."""
        ...

    def mode(self) -> StageMode:
        """Return the mode of the stage now."""
        ...

    def hold_ended_at(self) -> float:
        """Return when the last hold of the stage may have ended, in seconds of the epoch; 0 if none
        has."""
        ...

    def drain(self) -> DrainInForce | None:
        """Return the drain of the pipeline; None if it is not drained."""
        ...

    def in_force(self) -> Sequence[str]:
        """Return the names of the documents that change how the stage works now, but for those of
        flags (`farandole.events.control_generations`), the oldest first."""
        ...

    def flags(self) -> FlagSnapshot:
        """Return the flags as the functions of the stage read them now."""
        ...

    def throttle(self) -> RateInForce:
        """Return how fast the stage takes events now."""
        ...

    def root_throttle(self) -> RateInForce:
        """Return how fast the stages that subscribe to roots together take roots now."""
        ...
