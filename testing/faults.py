"""Which calls of a stage's function fail on demand?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class _Fault:
    error: BaseException
    calls: int | None
    """How many more calls fail; None for any number."""
    until: float
    """When the fault ends, in seconds of the epoch."""


class StageFaults:
    """The faults of all stages of one pipeline. `clock` returns seconds of the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._faults: dict[str, _Fault] = {}

    def fail(self, stage: str, error: BaseException, calls: int | None, until: float) -> None:
        """Let the next calls of a stage raise this error: `calls` of them, and none after
        `until`."""
        self._faults[stage] = _Fault(error, calls, until)

    def heal(self, stage: str) -> None:
        """Let the calls of a stage succeed again."""
        self._faults.pop(stage, None)

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function of a stage with the faults that are set now or later."""
        faults = self._faults

        def call(data: Any, **arguments: Any) -> Any:
            if stage in faults:
                self._raise(stage)
            return function(data, **arguments)

        return call

    def _raise(self, stage: str) -> None:
        fault = self._faults[stage]
        if self._clock() >= fault.until:
            self.heal(stage)
            return
        if fault.calls is not None:
            fault.calls -= 1
            if not fault.calls:
                self.heal(stage)
        # A new one each time: an exception that is raised again collects the frames of all calls.
        raise type(fault.error)(*fault.error.args)
