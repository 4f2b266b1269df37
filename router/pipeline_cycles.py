"""Would the runs of several pipelines cause each other in a circle?"""

from __future__ import annotations

from collections.abc import Iterable

from farandole.events.topology_version import Version
from farandole.router.topology_derivation import DerivedTopology
from farandole.router.topology_store import NotAppliedError
from farandole.scheduler.dependency_cycles import dependency_cycles


class DependencyCycleError(NotAppliedError):
    """The schedules of a file and of other pipelines wait for each other."""


def require_no_cycle(derived: DerivedTopology, newest: Iterable[Version]) -> None:
    """Raise DependencyCycleError if runs of the pipeline and of others would cause each other for
    ever. `newest` are the versions in force, of all pipelines."""
    others = {version.pipeline: version.schedules for version in newest}
    for cycle in dependency_cycles({**others, derived.pipeline: derived.schedules}):
        ours = [node for node in cycle.nodes if node.pipeline == derived.pipeline]
        if ours and not cycle.is_timed:
            raise DependencyCycleError(
                f"the schedule {ours[0].schedule!r} is one of a circle whose runs would cause each"
                f" other for ever: {cycle}; let one of them wait for another root, or give it a"
                " time by `cron:`"
            )
