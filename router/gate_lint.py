"""Does a stage wait for each check that may stop a run, and a check for each stage that waits?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from farandole.catalog.gates import upstream_of
from farandole.events.check_spec import needs_history
from farandole.router.check_lint import file_checks
from farandole.router.file_model import TopologyFile
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath


def _lint_gate_checks(context: LintContext) -> Iterator[Finding]:
    topology = context.topology
    before = {name: upstream_of(topology.stages, name).types for name in topology.stages}
    awaited = {event_type for name in _gates(topology) for event_type in before[name]}
    for check in file_checks(context):
        if check.severity != "gate" or check.judges_rows:
            continue
        if check.event_type not in awaited:
            behind = [name for name, types in before.items() if check.event_type in types]
            remedy = f"give a stage behind it `gate: true`, for example {behind[-1]!r}"
            yield context.finding(
                (*check.path, "severity"),
                f"the check {check.name!r} is a gate, and no stage behind {check.event_type!r}"
                " waits for it",
                remedy if behind else "write fail: no stage is behind it",
            )
        profile = topology.profile(check.event_type)
        if profile is not None and profile.per is not None:
            yield context.finding(
                (*check.path, "severity"),
                f"{check.event_type!r} is profiled in windows of {profile.per:g} s, and a gate lets"
                " through, or stops, a run",
                "write fail, or `profile: true` for the event type: one for each run",
            )
        if needs_history(check.section):
            yield context.finding(
                (*check.path, "severity"),
                f"the check {check.name!r} compares a run with those before it, which is known"
                " once the run has ended: no gate can wait for it",
                "write fail"
                + (", or `min:` and `max:` for a gate" if check.section.rule == "rows" else ""),
            )


def _lint_gates(context: LintContext) -> Iterator[Finding]:
    topology = context.topology
    checked = {c.event_type for c in file_checks(context) if c.severity == "gate"}
    for name in _gates(topology):
        if not checked & upstream_of(topology.stages, name).types:
            yield context.finding(
                ("stages", name, "gate"),
                f"stage {name!r} waits until all before it is worked, and no check of what comes to"
                " it has the severity gate",
                "add `severity: gate` to a check, or delete `gate`",
                on_key=True,
                severity="warning",
            )


def _gates(topology: TopologyFile) -> list[str]:
    return [name for name, stage in topology.stages.items() if stage.value("gate")]


def _lint_gate_places(context: LintContext) -> Iterator[Finding]:
    """Find gates before which a run could not wait."""
    topology = context.topology
    for name in _gates(topology):
        path: KeyPath = ("stages", name, "gate")
        stage = topology.stages[name]
        for event_type in stage.subscribes:
            emitters = topology.emitters(event_type)
            if not emitters:
                yield context.finding(
                    path,
                    f"stage {name!r} reads {event_type!r}, which opens runs: nothing is upstream"
                    " for which it could wait",
                    "give the gate to a stage behind it",
                    on_key=True,
                )
            readers = [topology.stages[each] for each in topology.subscribers(event_type)]
            is_read_ahead = any(not (r.value("gate") or r.external) for r in readers)
            outside = [each for each in emitters if topology.stages[each].external]
            if outside and not is_read_ahead and topology.events[event_type].checks:
                yield context.finding(
                    path,
                    f"nobody looks at {event_type!r} before stage {name!r}: the program of"
                    f" {outside[0]!r} emits it, and a gate reads nothing ahead",
                    "let another stage between them check it",
                    on_key=True,
                )
        if name in upstream_of(topology.stages, name).stages:
            yield context.finding(
                path,
                f"stage {name!r} is upstream of itself, and would wait for itself",
                "give the gate to a stage outside of this loop",
                on_key=True,
            )


GATE_RULES: Mapping[str, LintRule] = {
    "gate_places": _lint_gate_places,
    "gate_checks": _lint_gate_checks,
    "gates": _lint_gates,
}
