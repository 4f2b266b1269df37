"""Which types does an event have, where stages that take any event pass it on?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farandole.router import schemas
from farandole.router.form import Form
from farandole.stages.signature import Signature


def producers(
    form: Form, signatures: Mapping[str, Signature], event_type: str
) -> list[tuple[str, tuple[Any, ...]]]:
    """The stages that make an event's data, each with the types it may have; of a stage that passes
    its event on, those before it. Stages without a signature are left out."""
    found = []
    for stage, event in _before(form, signatures, event_type, set()):
        found.append((stage, schemas.given(form.stages[stage], signatures[stage], event)))
    return found


def _before(
    form: Form, signatures: Mapping[str, Signature], event_type: str, seen: set[str]
) -> Iterator[tuple[str, str]]:
    for stage in form.emitters(event_type):
        if stage not in signatures:
            continue
        if not signatures[stage].passes:
            yield stage, event_type
        elif stage not in seen:
            seen.add(stage)
            for passed in form.stages[stage].subscribes:
                yield from _before(form, signatures, passed, seen)


def consumers(
    form: Form, signatures: Mapping[str, Signature], event_type: str
) -> list[tuple[str, Any]]:
    """The stages that read an event's data, each with the type it takes; of a stage that passes its
    event on, those behind it."""
    return list(_behind(form, signatures, event_type, set()))


def _behind(
    form: Form, signatures: Mapping[str, Signature], event_type: str, seen: set[str]
) -> Iterator[tuple[str, Any]]:
    for stage in form.subscribers(event_type):
        if stage not in signatures or stage in seen:
            continue
        seen.add(stage)
        if not signatures[stage].passes:
            yield stage, signatures[stage].takes
            continue
        for passed in form.stages[stage].emits:
            yield from _behind(form, signatures, passed, seen)
