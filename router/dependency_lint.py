"""Can what the schedules of a file wait for ever come, and does none wait for itself?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from farandole.events.kafka_names import PIPELINE_PATTERN
from farandole.router.file_model import DependencySection
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.schedule_derivation import derive_schedule
from farandole.router.yaml_source import KeyPath
from farandole.scheduler.dependency_cycles import DependencyCycle, dependency_cycles
from farandole.scheduler.file_location import location_problem, missing_folder
from farandole.stages.nearest_name import did_you_mean

_OF_RUNS, _OF_FILES = ("event", "status"), ("every", "existing")


def _lint_dependencies(context: LintContext) -> Iterator[Finding]:
    for name, schedule in context.topology.schedules.items():
        seen: list[DependencySection] = []
        for index, dependency in enumerate(schedule.after or ()):
            path: KeyPath = ("schedules", name, "after", index)
            if dependency in seen:
                yield context.finding(path, "it waits for this twice", "keep one of the two")
            else:
                yield from _dependency_findings(context, path, dependency)
            seen.append(dependency)


def _dependency_findings(
    context: LintContext, path: KeyPath, dependency: DependencySection
) -> Iterator[Finding]:
    if (dependency.pipeline is None) is (dependency.file is None):
        found = "neither a pipeline nor a file" if dependency.file is None else "both"
        yield context.finding(
            path,
            f"this names {found}: what should it wait for?",
            "write {pipeline: NAME} or {file: PATH}, and an item for each",
        )
        return
    given = dependency.model_dump(exclude_none=True)
    wrong = [key for key in (_OF_FILES if dependency.pipeline else _OF_RUNS) if key in given]
    if wrong:
        kind = "files" if dependency.pipeline else "runs of a pipeline"
        yield context.finding(
            (*path, wrong[0]), f"`{wrong[0]}:` is only for {kind}", "delete it", on_key=True
        )
    elif dependency.pipeline is not None:
        yield from _pipeline_findings(context, path, dependency)
    else:
        yield from _file_findings(context, (*path, "file"), dependency.file or "")


def _pipeline_findings(
    context: LintContext, path: KeyPath, dependency: DependencySection
) -> Iterator[Finding]:
    topology, pipeline = context.topology, dependency.pipeline or ""
    if not PIPELINE_PATTERN.fullmatch(pipeline):
        yield context.finding(
            (*path, "pipeline"),
            f"{pipeline!r} is no pipeline name: lowercase letters, digits and single dashes",
            "write the `pipeline:` of its file, for example orders",
        )
    elif pipeline == topology.pipeline and dependency.event is not None:
        roots = [t for t in topology.event_types() if not topology.emitters(t)]
        if dependency.event not in roots:
            yield context.finding(
                (*path, "event"),
                f"no run of {pipeline!r} begins with {dependency.event!r}",
                did_you_mean(dependency.event, roots, f"its roots are {', '.join(roots)}"),
            )


def _file_findings(context: LintContext, path: KeyPath, url: str) -> Iterator[Finding]:
    problem, (protocol, separator, _) = location_problem(url), url.partition("://")
    if problem is not None and problem.column:
        yield context.text_finding(path, problem.column, problem.message, problem.remedy)
    elif problem is not None:
        yield context.finding(path, problem.message, problem.remedy)
    elif separator:
        yield from _protocol_findings(context, path, protocol)
    if (
        problem is None
        and (folder := missing_folder(url, Path(context.document.file).parent)) is not None
    ):
        yield context.finding(
            path,
            f"this machine has no folder {folder!r}",
            "create it where the scheduler runs, or correct the path",
            severity="warning",
        )


def _protocol_findings(context: LintContext, path: KeyPath, protocol: str) -> Iterator[Finding]:
    # Imported late: it takes a tenth of a second.
    from fsspec.registry import known_implementations as known

    if protocol not in known:
        remedy = did_you_mean(protocol, known, "write for example s3://, gs:// or az://")
        yield context.finding(path, f"fsspec knows no {protocol!r}", remedy)
    elif not _is_importable(known[protocol]["class"].rpartition(".")[0]):
        yield context.finding(
            path,
            f"the package for {protocol}:// is not installed here",
            known[protocol].get("err", "install it where the scheduler runs"),
            severity="warning",
        )


def _is_importable(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _lint_dependency_cycles(context: LintContext) -> Iterator[Finding]:
    """Find the schedules of this file that wait for each other. Those of other pipelines are known
    when a file is planned."""
    topology = context.topology
    specs = {name: derive_schedule(each) for name, each in topology.schedules.items()}
    for cycle in dependency_cycles({topology.pipeline: specs}):
        yield context.finding(
            ("schedules", cycle.nodes[0].schedule, "after"),
            cycle_message(cycle),
            CYCLE_REMEDIES[cycle.is_timed],
            severity="warning" if cycle.is_timed else "error",
        )


def cycle_message(cycle: DependencyCycle) -> str:
    """Return what is wrong with a circle of schedules."""
    if cycle.is_timed:
        return f"these runs wait for each other, so none of them begins by itself: {cycle}"
    return f"these runs would cause each other for ever: {cycle}"


CYCLE_REMEDIES: Mapping[bool, str] = {
    True: "fire one by hand to begin, or write `otherwise: fire`",
    False: "let one of them wait for another root, or give it a time by `cron:`",
}
"""What helps, by whether a schedule of the circle has planned times."""

DEPENDENCY_RULES: Mapping[str, LintRule] = {
    "dependencies": _lint_dependencies,
    "dependency_cycles": _lint_dependency_cycles,
}
