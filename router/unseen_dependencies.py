"""For what does a schedule wait that was never there?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from farandole.catalog.topology_table import TopologyTable
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.scheduler.file_location import missing_folder
from farandole.stages.nearest_name import did_you_mean

PublishedRoots = Mapping[str, frozenset[str]]
"""By pipeline, the roots of all its versions; none where this release cannot read them."""


def published_roots(table: TopologyTable) -> PublishedRoots:
    """Return the roots that anybody can wait for."""
    roots: dict[str, frozenset[str]] = dict.fromkeys(table.newer, frozenset())
    for version in table.versions:
        roots[version.pipeline] = roots.get(version.pipeline, frozenset()) | {*version.roots()}
    return roots


def unseen_runs(spec: ScheduleSpec, pipeline: str, roots: PublishedRoots) -> Iterator[str]:
    """Yield which runs a schedule of `pipeline` waits for though no version could begin one. Those
    of `pipeline` itself are left out: lint knows them."""
    for dependency in spec.after:
        if dependency.pipeline and dependency.pipeline != pipeline:
            yield from _unseen(dependency, pipeline, roots)


def _unseen(dependency: DependencySpec, pipeline: str, roots: PublishedRoots) -> Iterator[str]:
    name, event = dependency.pipeline, dependency.event
    if name not in roots:
        remedy = did_you_mean(name, sorted(roots.keys() - {pipeline}), "apply it, or correct it")
        yield f"it waits for runs of {name!r}, of which no version was ever seen; {remedy}"
    elif event is not None and roots[name] and event not in roots[name]:
        known = sorted(roots[name])
        remedy = did_you_mean(event, known, f"its roots are {', '.join(known)}")
        yield (
            f"it waits for runs of {name!r} that begin with {event!r}, which no version of it ever"
            f" had as a root; {remedy}"
        )


def unseen_folders(spec: ScheduleSpec, base: Path) -> Iterator[str]:
    """Yield in which local folders a schedule waits for files though this machine has none such.
    Paths are relative to `base`."""
    for dependency in spec.after:
        folder = missing_folder(dependency.file, base) if dependency.file else None
        if folder is not None:
            yield (
                f"it waits for {dependency.file}, and this machine has no folder {folder!r};"
                " create it where the scheduler runs, or correct the path"
            )
