"""Can the `when:` of each subscription be asked of its events?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farandole.router import flow, schemas
from farandole.router.case import Case
from farandole.router.document import Path
from farandole.router.finding import Finding, did_you_mean, nearest
from farandole.router.schemas import NoSchema
from farandole.stages.expression import VARIABLES, Wrong, compiled, fields


def check(case: Case) -> Iterator[Finding]:
    """Each condition compiles, and asks for fields that its events can have."""
    for name, stage in case.form.stages.items():
        for index, (event_type, settings) in enumerate(stage.subscriptions):
            if settings.when is None:
                continue
            path: Path = ("stages", name, "subscribes", index, 1, "when")
            try:
                compiled(settings.when)
            except Wrong as wrong:
                yield case.finding(path, *_said(settings.when, wrong))
            else:
                yield from unknown_fields(case, path, [event_type], settings.when)


def _said(source: str, wrong: Wrong) -> tuple[str, str]:
    """What is wrong with an expression, and what helps."""
    place = f" at its character {wrong.column}" if wrong.line == 1 and wrong.column else ""
    if wrong.line > 1:
        place = f" in its line {wrong.line}"
    message = f"`{_shortened(source)}` cannot be a condition: {wrong}{place}"
    if wrong.unknown:
        near = nearest(wrong.unknown, VARIABLES)
        if near:
            return message, f"did you mean {near!r}?"
        return message, f"write `data.{wrong.unknown}` for a field of the event"
    if "'= '" in str(wrong):
        return message, "write `==` to compare"
    return message, "write for example `data.quantity > 0 && attributes.source != 'test'`"


def _shortened(source: str) -> str:
    one_line = " ".join(source.split())
    return one_line if len(one_line) <= 60 else f"{one_line[:59]}…"


def unknown_fields(
    case: Case, path: Path, event_types: Sequence[str], source: str
) -> Iterator[Finding]:
    """The fields of `data` that an expression asks for and none of these events can have."""
    known: frozenset[str] = frozenset()
    for event_type in event_types:
        names = _possible(case, event_type)
        if names is None:
            return
        known |= names
    for field in dict.fromkeys(fields(source)):
        if field not in known:
            yield case.finding(
                path,
                f"{' or '.join(map(repr, event_types))} never has the field {field!r} that"
                f" `{_shortened(source)}` asks for",
                did_you_mean(field, known, f"its fields are {', '.join(sorted(known))}"),
            )


def _possible(case: Case, event_type: str) -> frozenset[str] | None:
    """The fields that such an event may have; None where nobody knows all of them."""
    known: frozenset[str] = frozenset()
    makers = flow.producers(case.form, case.signatures, event_type)
    if not makers or any(e not in case.signatures for e in case.form.emitters(event_type)):
        return None  # of what people write themselves nobody knows what else it has
    try:
        for _, types in makers:
            for type_ in types:
                names = schemas.possible(schemas.written(type_))
                if names is None:
                    return None
                known |= names
    except NoSchema:
        return None
    return known
