"""Does the file say of an external stage what others must know, and nothing that would do
nothing?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.router.file_model import StageSection
from farandole.router.lint_context import LintContext
from farandole.router.lint_finding import Finding

_KEYS_OF_FUNCTIONS = (
    "run",
    "parameters",
    "retry",
    "breaker",
    "throttle",
    "timeout",
    "threads",
    "effects",
    "gate",
)


def lint_external_stages(context: LintContext) -> Iterator[Finding]:
    """Check that each event of an external stage has a schema, and that no key is given that only
    workers of ours read."""
    for name, stage in context.topology.stages.items():
        if stage.external:
            yield from _lint_external_stage(context, name, stage)
        elif stage.accepts is not None:
            yield context.finding(
                ("stages", name, "accepts"),
                f"stage {name!r} has a function, whose annotation says what it accepts",
                "delete `accepts`, or say `external: true`",
                on_key=True,
            )
    yield from _lint_declared_schemas(context)


def _lint_external_stage(context: LintContext, name: str, stage: StageSection) -> Iterator[Finding]:
    # Workers host the lanes of a relayed stage, but no function.
    useless = _KEYS_OF_FUNCTIONS if stage.is_relayed else (*_KEYS_OF_FUNCTIONS, "processes")
    for key in useless:
        if key in stage.model_fields_set:
            written = "with" if key == "parameters" else key
            yield context.finding(
                ("stages", name, written),
                f"{written!r} does nothing here: a program of yours works the stage {name!r}",
                "delete it",
                on_key=True,
            )
    for index, event_type in enumerate(stage.subscribes):
        if event_type in stage.when:
            yield context.finding(
                ("stages", name, "subscribes", index),
                f"`when` does nothing here: nothing filters for the external stage {name!r}",
                "put a stage before it: run: stages.generic.filter:filter",
            )
    for index, event_type in enumerate(stage.emits):
        section = context.topology.events.get(event_type)
        if section is None or section.declared_schema is None:
            yield context.finding(
                ("stages", name, "emits", index),
                f"nothing says which data {event_type!r} has: the stage {name!r} is external",
                f"declare its schema: `events: {{{event_type}: {{schema: FILE.json}}}}`",
            )


def _lint_declared_schemas(context: LintContext) -> Iterator[Finding]:
    """A schema is declared only where no function of ours says it."""
    topology = context.topology
    for event_type, section in topology.events.items():
        writers, readers = topology.emitters(event_type), topology.subscribers(event_type)
        ours = [n for n in writers or readers if not topology.stages[n].external]
        if section.declared_schema is not None and ours:
            yield context.finding(
                ("events", event_type, "schema"),
                f"the function of stage {ours[0]!r} says which data {event_type!r} has",
                "delete `schema`",
                on_key=True,
            )
