"""How do the results of two calls with the same events differ, field by field?

JSON is compared as JSON: neither the order of the keys counts, nor how a number is spelled. Lists
are compared by index, and events by their position and their type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from farandole.events.json_text import parse_json
from farandole.events.personal_data_masking import PERSONAL_MASK, mask_personal, personal_values
from farandole.events.safe_text import escape_surrogates
from farandole.events.topology_version import Version
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import JsonSchema, NoSchemaError, written_schema
from farandole.worker.candidates.candidate_messages import (
    CallResult,
    CandidateEvent,
    CandidateOutput,
)

OUTCOME = "(outcome)"
"""The path under which it is counted that one was handled, dropped or died, and the other not."""
NUMBER_OF_EVENTS = "(number of events)"
EVENT_TYPE = "(event type)"
MAX_PATHS = 20
"""Different paths of one call; further ones are not told."""
_MAX_DIFFERENCES = 1_000  # of one event
_MAX_PATH_LENGTH = 120  # characters
_MAX_SHOWN = 200  # characters of a value in a sample
_ABSENT = object()

Step = str | int
Path = tuple[Step, ...]


class Difference(NamedTuple):
    """One place at which two JSON values differ."""

    path: Path
    was: Any
    """The value of the first; `_ABSENT` if it has none there."""
    now: Any


class OutputComparison:
    """Compares what a stage's function came to with what a candidate of this signature did."""

    def __init__(self, signature: StageSignature) -> None:
        self._candidate_schemas: list[JsonSchema] = []
        for schema in () if signature.is_passthrough else signature.output_schemas:
            try:
                self._candidate_schemas.append(written_schema(schema))
            except NoSchemaError:
                continue

    def compare(
        self,
        version: Version,
        events: Sequence[CandidateEvent],
        stable: CallResult,
        other: CallResult,
    ) -> dict[str, Any]:
        """Return `differs`, the paths at which they differ, and a `sample` of the first of them,
        whose values are masked where they are personal; only {} if they are the same."""
        if stable.outcome != other.outcome:
            message = self._masked_message(version, events, other)
            was = ": ".join(filter(None, (stable.outcome, stable.error)))
            now = ": ".join(filter(None, (other.outcome, other.error, message)))
            return self._report([OUTCOME], events, OUTCOME, was, now)
        if len(stable.outputs) != len(other.outputs):
            numbers = str(len(stable.outputs)), str(len(other.outputs))
            return self._report([NUMBER_OF_EVENTS], events, NUMBER_OF_EVENTS, *numbers)
        paths: dict[str, None] = {}
        sample: tuple[str, str, str] | None = None
        for first, second in zip(stable.outputs, other.outputs, strict=True):
            if first.event_type != second.event_type:
                paths[EVENT_TYPE] = None
                sample = sample or (EVENT_TYPE, first.event_type, second.event_type)
                continue
            found = list(islice(differences(first.value, second.value), _MAX_DIFFERENCES))
            if not found:
                continue
            first_data, second_data = self._masked(version, first), self._masked(version, second)
            for difference in found:
                # Down to the first part that is personal: a name below it may be, too.
                path = min(
                    _visible(first_data, difference.path),
                    _visible(second_data, difference.path),
                    key=len,
                )
                name = path_text(first.event_type, path, indexed=False)
                if name not in paths and len(paths) < MAX_PATHS:
                    paths[name] = None
                if sample is None:
                    shown = path_text(first.event_type, path, indexed=True)
                    sample = shown, _shown(_at(first_data, path)), _shown(_at(second_data, path))
        return self._report(list(paths), events, *sample) if sample else {}

    def _report(
        self, paths: list[str], events: Sequence[CandidateEvent], path: str, was: str, now: str
    ) -> dict[str, Any]:
        first = events[0]
        sample = {
            "path": path,
            "stable": was,
            "candidate": now,
            "event": f"{first.topic}/{first.partition}/{first.offset}",
        }
        return {"differs": paths, "sample": sample}

    def _schemas(self, version: Version, event_type: str) -> list[JsonSchema]:
        published = version.events[event_type].data_schema
        return [*([published] if published else []), *self._candidate_schemas]

    def _masked(self, version: Version, output: CandidateOutput) -> Any:
        try:
            data = parse_json(output.value or b"")
        except ValueError:
            return PERSONAL_MASK  # nobody can say what it holds
        for schema in self._schemas(version, output.event_type):
            data = mask_personal(data, schema)
        return data

    def _masked_message(
        self, version: Version, events: Sequence[CandidateEvent], result: CallResult
    ) -> str:
        """Return the message of an error without what is personal in the events."""
        message = result.message
        for event in events:
            schema = version.events[event.event_type].data_schema
            try:
                secrets = personal_values(parse_json(event.value or b""), schema)
            except ValueError:
                continue
            for secret in sorted(secrets, key=len, reverse=True):
                message = message.replace(secret, PERSONAL_MASK)
        return message[:_MAX_SHOWN]


def differences(first: bytes | None, second: bytes | None) -> Iterator[Difference]:
    """Yield where two JSON texts differ. What is no JSON is compared byte by byte."""
    if first == second:
        return
    try:
        yield from _compare(_parse(first), _parse(second), ())
    except (ValueError, RecursionError):
        yield Difference((), first, second)


def path_text(event_type: str, path: Path, *, indexed: bool) -> str:
    """Return a path such as `order.priced: lines[2].cents`; `lines[].cents` if not `indexed`, so
    that the items of a list are counted together."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]" if indexed else "[]"
        else:
            text += f".{step}" if text else step
    named = f"{event_type}: {text}" if text else event_type
    return escape_surrogates(named[:_MAX_PATH_LENGTH])


def _parse(raw: bytes | None) -> Any:
    # A Decimal of any spelling equals any other of the same number; a float would not tell apart
    # what it cannot hold.
    return json.loads(raw or b"null", parse_float=Decimal, parse_int=Decimal)


def _compare(first: Any, second: Any, path: Path) -> Iterator[Difference]:
    if isinstance(first, dict) and isinstance(second, dict):
        for name in [*first, *(name for name in second if name not in first)]:
            was, now = first.get(name, _ABSENT), second.get(name, _ABSENT)
            yield from _compare(was, now, (*path, name))
    elif isinstance(first, list) and isinstance(second, list):
        for index in range(max(len(first), len(second))):
            was = first[index] if index < len(first) else _ABSENT
            now = second[index] if index < len(second) else _ABSENT
            yield from _compare(was, now, (*path, index))
    elif type(first) is not type(second) or first != second:
        yield Difference(path, first, second)


def _visible(masked: Any, path: Path) -> Path:
    """Return the part of the path above which nothing is masked."""
    for depth, step in enumerate(path):
        if masked == PERSONAL_MASK:
            return path[:depth]
        masked = _step(masked, step)
    return path


def _at(masked: Any, path: Path) -> Any:
    for step in path:
        masked = _step(masked, step)
    return masked


def _step(data: Any, step: Step) -> Any:
    if isinstance(data, Mapping) and step in data:
        return data[step]
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return _ABSENT


def _shown(value: Any) -> str:
    """Return a value as JSON, cut; "absent" if there is none."""
    if value is _ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return escape_surrogates(text)
