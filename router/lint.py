"""What is wrong with a topology file that can be read?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from farandole.events.kafka_names import (
    EVENT_TYPE_PATTERN,
    MAX_TOPIC_LENGTH,
    PIPELINE_PATTERN,
    RESERVED_PIPELINE,
    RESERVED_SUFFIXES,
    STAGE_PATTERN,
    KafkaNames,
)
from farandole.events.topology_version import RetryPolicy
from farandole.router import (
    alert_lint,
    check_column_lint,
    check_lint,
    condition_lint,
    data_lint,
    dependency_lint,
    external_lint,
    flag_lint,
    function_lint,
    gate_lint,
    limit_lint,
    parameter_lint,
    schedule_calendar_lint,
    schedule_data_lint,
    schedule_lint,
    schedule_time_lint,
    wiring_lint,
)
from farandole.router.file_model import TopologyFile
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding, sorted_findings, with_code
from farandole.router.yaml_source import KeyPath, YamlDocument
from farandole.stages.function_signature import StageSignature


def lint_topology(
    document: YamlDocument,
    topology: TopologyFile,
    signatures: Mapping[str, StageSignature],
    names: KafkaNames,
) -> list[Finding]:
    """Return all findings about a file, by line. It imports no function and connects to nothing."""
    context = LintContext(document, topology, signatures, names)
    return sorted_findings(
        finding for code, rule in _LINT_RULES.items() for finding in with_code(rule(context), code)
    )


def _lint_pipeline_name(context: LintContext) -> Iterator[Finding]:
    name = context.topology.pipeline
    if name == RESERVED_PIPELINE:
        yield context.finding(
            ("pipeline",), f"the pipeline name {name!r} is reserved", "choose another"
        )
    elif not PIPELINE_PATTERN.fullmatch(name):
        fixed = name.lower().replace("_", "-").replace(".", "-").replace(" ", "-")
        yield context.finding(
            ("pipeline",),
            f"{name!r} is no pipeline name: lowercase letters, digits and single dashes",
            f"write {fixed!r}"
            if PIPELINE_PATTERN.fullmatch(fixed)
            else "write for example order-lines",
        )


def _first_mentions(context: LintContext) -> Iterator[tuple[str, KeyPath, bool]]:
    """Yield each event type with the path where it is first named, and whether it is a key
    there."""
    seen: set[str] = set()
    for event_type in context.topology.events:
        seen.add(event_type)
        yield event_type, ("events", event_type), True
    for name, stage in context.topology.stages.items():
        for key, event_types in (("subscribes", stage.subscribes), ("emits", stage.emits)):
            for index, event_type in enumerate(event_types):
                if event_type not in seen:
                    seen.add(event_type)
                    yield event_type, ("stages", name, key, index), False


def _lint_event_names(context: LintContext) -> Iterator[Finding]:
    for event_type, path, is_key in _first_mentions(context):
        topic_length = len(context.names.event_topic(context.topology.pipeline, event_type))
        suffix = next((s for s in RESERVED_SUFFIXES if f".{event_type}".endswith(s)), None)
        if not EVENT_TYPE_PATTERN.fullmatch(event_type):
            fixed = event_type.lower().replace("_", "-").replace(" ", "-")
            yield context.finding(
                path,
                f"{event_type!r} is no event type: lowercase words with dots or dashes between",
                f"write {fixed!r}"
                if EVENT_TYPE_PATTERN.fullmatch(fixed)
                else "write for example line.read",
                on_key=is_key,
            )
        elif suffix:
            yield context.finding(
                path,
                f"names that end in {suffix!r} are reserved, and {event_type!r} does",
                "choose another ending",
                on_key=is_key,
            )
        elif (
            len(context.names.event_topic(context.topology.pipeline, event_type)) > MAX_TOPIC_LENGTH
        ):
            yield context.finding(
                path,
                f"the topic of this event would have {topic_length} characters, and "
                f"Kafka takes {MAX_TOPIC_LENGTH}",
                "shorten the name",
                on_key=is_key,
            )


def _lint_stage_names(context: LintContext) -> Iterator[Finding]:
    spelled: dict[str, str] = {}
    for name in context.topology.stages:
        path = ("stages", name)
        topic_length = len(context.names.retry_topic(context.topology.pipeline, name))
        if not STAGE_PATTERN.fullmatch(name):
            fixed = name.lower().replace(".", "_").replace(" ", "_")
            yield context.finding(
                path,
                f"{name!r} is no stage name: a lowercase word, with single dashes or underscores",
                f"write {fixed!r}"
                if STAGE_PATTERN.fullmatch(fixed)
                else "write for example validate",
                on_key=True,
            )
        elif topic_length > MAX_TOPIC_LENGTH:
            yield context.finding(
                path,
                f"the retry topic of this stage would have {topic_length} characters, and "
                f"Kafka takes {MAX_TOPIC_LENGTH}",
                "shorten the name",
                on_key=True,
            )
        other = spelled.setdefault(name.replace("-", "_"), name)
        if other != name:
            yield context.finding(
                path,
                f"{name!r} and {other!r} differ in dashes and underscores alone",
                "rename one of the two",
                on_key=True,
            )


def _lint_backoffs(context: LintContext) -> Iterator[Finding]:
    owners: list[tuple[KeyPath, str | None]] = [(("defaults",), None)]
    owners += [(("stages", name), name) for name in context.topology.stages]
    default = context.topology.defaults.retry
    for path, name in owners:
        retry = context.topology.stages[name].retry if name else default
        if retry.value("backoff") is None and retry.value("max_backoff") is None:
            continue
        policy = RetryPolicy(
            **default.model_dump(exclude_none=True) | retry.model_dump(exclude_none=True)
        )
        if policy.backoff > policy.max_backoff:
            yield context.finding(
                (*path, "retry", "max_backoff" if retry.value("backoff") is None else "backoff"),
                f"backoff ({policy.backoff:g} s) is longer than max_backoff"
                f" ({policy.max_backoff:g} s)",
                "make max_backoff the longer one",
            )


_LINT_RULES: Mapping[str, LintRule] = {
    "pipeline_name": _lint_pipeline_name,
    "event_names": _lint_event_names,
    "stage_names": _lint_stage_names,
    **wiring_lint.WIRING_RULES,
    "backoffs": _lint_backoffs,
    "conditions": condition_lint.lint_conditions,
    "parameters": parameter_lint.lint_parameters,
    "alerts": alert_lint.lint_alerts,
    "external": external_lint.lint_external_stages,
    **function_lint.FUNCTION_RULES,
    **data_lint.DATA_RULES,
    **flag_lint.FLAG_RULES,
    **limit_lint.LIMIT_RULES,
    **check_lint.CHECK_RULES,
    **check_column_lint.CHECK_COLUMN_RULES,
    **gate_lint.GATE_RULES,
    **schedule_lint.SCHEDULE_RULES,
    **schedule_time_lint.SCHEDULE_TIME_RULES,
    **schedule_calendar_lint.SCHEDULE_CALENDAR_RULES,
    **dependency_lint.DEPENDENCY_RULES,
    **schedule_data_lint.SCHEDULE_DATA_RULES,
}
