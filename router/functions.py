"""Do the functions of a file fit what it says of them, and one another?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from farandole.router import flow, schemas
from farandole.router.case import Case
from farandole.router.document import Path
from farandole.router.finding import Finding, did_you_mean
from farandole.router.schemas import NoSchema


def check(case: Case) -> Iterator[Finding]:
    """All the findings."""
    for each in _CHECKS:
        yield from each(case)


def _threads(case: Case) -> Iterator[Finding]:
    for name, signature in case.signatures.items():
        if case.form.stages[name].threads and signature.kind.startswith("async"):
            yield case.finding(
                ("stages", name, "threads"),
                f"stage {name!r} is an `async def`, which runs in no thread",
                "delete `threads`, or write it as a `def`",
                on_key=True,
            )


def _number_of_outputs(case: Case) -> Iterator[Finding]:
    for name, signature in case.signatures.items():
        emits, gives = case.form.stages[name].emits, signature.gives
        path: Path = ("stages", name, "emits")
        if emits and not gives:
            yield case.finding(
                path,
                f"stage {name!r} emits {', '.join(emits)}, but its function returns None",
                "delete `emits`, or annotate what the function returns",
            )
        elif gives and not emits:
            if signature.passes and not signature.named:
                continue  # the last of its path: what it gives goes nowhere
            yield case.finding(
                ("stages", name),
                f"stage {name!r} returns {_union(gives)}, but emits nothing",
                "add `emits:`, or annotate the function `-> None`",
                on_key=True,
            )
        elif signature.named or len(emits) == len(gives):
            continue
        elif len(gives) == 1:
            yield case.finding(
                path,
                f"stage {name!r} emits {len(emits)} event types, but returns {_union(gives)} alone,"
                " so nobody can tell which is which",
                f"return `To[{_union(gives)}]` and name the event type in it",
            )
        else:
            yield case.finding(
                path,
                f"stage {name!r} emits {len(emits)} event types, but returns {len(gives)} schemas"
                f" ({_union(gives)})",
                "name one event type for each schema, in the same order, or return `To[...]`",
            )


def _union(types: tuple[object, ...]) -> str:
    return " | ".join(schemas.title(t) for t in types)


def _without_schema(case: Case) -> Iterator[Finding]:
    for name, signature in case.signatures.items():
        said: set[str] = set()
        for type_, make in [
            (signature.takes, schemas.accepted),
            *((given, schemas.written) for given in signature.gives),
        ]:
            try:
                make(type_)
            except NoSchema as error:
                if schemas.title(type_) not in said:
                    yield case.finding(
                        ("stages", name),
                        f"stage {name!r}: {schemas.title(type_)} has no JSON Schema ({error})",
                        "use a pydantic model, a dataclass or plain types",
                        on_key=True,
                    )
                said.add(schemas.title(type_))


def _unfit(case: Case) -> Iterator[Finding]:
    for consumer, takes in case.signatures.items():
        if takes.passes:
            continue
        for index, event_type in enumerate(case.form.stages[consumer].subscribes):
            for producer, options in flow.producers(case.form, case.signatures, event_type):
                try:
                    tries = [schemas.misfits(option, takes.takes) for option in options]
                except NoSchema:
                    continue
                if tries and all(tries):
                    reasons = min(tries, key=len)
                    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
                    yield case.finding(
                        ("stages", consumer, "subscribes", index),
                        f"{event_type!r} does not fit: {producer!r} writes {_union(options)},"
                        f" {consumer!r} takes {schemas.title(takes.takes)}:"
                        f" {', '.join(reasons[:3])}{more}",
                        "change one of the two schemas, or put a stage between them",
                    )


def _keys(case: Case) -> Iterator[Finding]:
    form = case.form
    for event_type, declared in form.events.items():
        if declared.key is None:
            continue
        for name, type_, schema in _schemas_of(case, event_type):
            known = schemas.fields(schema)
            if known is None or declared.key in known:
                continue
            title = schemas.title(type_)
            yield case.finding(
                ("events", event_type, "key"),
                f"the key {declared.key!r} is no field of {title} (stage {name!r})",
                did_you_mean(
                    declared.key,
                    known,
                    f"its fields are {', '.join(sorted(known))}" if known else "delete `key`",
                ),
            )
            break


def _schemas_of(case: Case, event_type: str) -> Iterator[tuple[str, object, schemas.Schema]]:
    """The schemas in which an event is written or, where nobody makes it, read."""
    form, signatures = case.form, case.signatures
    makers = flow.producers(form, signatures, event_type)
    try:
        for name, types in makers:
            # Of a stage that names its outputs itself, nobody knows which schema goes where.
            if not signatures[name].named:
                for type_ in types:
                    yield name, type_, schemas.written(type_)
        if not makers and all(n in signatures for n in form.emitters(event_type)):
            for name, takes in flow.consumers(form, signatures, event_type):
                yield name, takes, schemas.accepted(takes)
    except NoSchema:
        return


_CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _threads,
    _number_of_outputs,
    _without_schema,
    _unfit,
    _keys,
)
