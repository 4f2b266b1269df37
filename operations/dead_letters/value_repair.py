"""How is the value of a dead letter changed before it is replayed, and does the stage take it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from farandole.events.envelope import UnreadableEventError, parse_envelope
from farandole.events.event_key import event_key
from farandole.events.json_text import merge_patch_text, parse_json
from farandole.events.personal_data_masking import PERSONAL_MASK, mask_personal
from farandole.events.safe_text import single_line

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

    from farandole.operations.dead_letters.replay_builder import Replay

_MAX_REASON_LENGTH = 300  # characters of a validator's or parser's message
_NAMING_FIELDS = frozenset({"required", "additionalProperties"})
"""Rules of JSON Schema of which a validator's message names fields, and no values."""
MAX_EDITED_LETTERS = 20
"""Letters of a stage that a person can edit one by one."""


class UnfitValueError(ValueError):
    """The stage does not take a changed value; the message says which field, and why."""


ValueAmender = Callable[["Replay"], bytes]
"""Returns the value with which a letter is replayed. Raises UnfitValueError."""


def patch_amender(patch: str) -> ValueAmender:
    """Return a function that changes each letter by the same JSON merge patch. What the patch does
    not name keeps its text, digit for digit."""

    def amend(replay: Replay) -> bytes:
        return validate_value(replay, merge_patch_text(letter_text(replay), patch).encode())

    return amend


def values_amender(values: Mapping[int, bytes]) -> ValueAmender:
    """Return a function that replaces the value of each letter, by offset."""

    def amend(replay: Replay) -> bytes:
        value = values.get(replay.letter_offset)
        if value is None:
            raise UnfitValueError("nobody has edited it")
        # An unchanged value is replayed even if it does not fit.
        return value if value == replay.event.value else validate_value(replay, value)

    return amend


def validate_value(replay: Replay, value: bytes) -> bytes:
    """Return the value if the stage takes it under the version that handles the event. Raises
    UnfitValueError."""
    # Imported late: they take a tenth of a second, and listing letters does not need them.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry

    _require_editable(replay)
    version = replay.handling_version
    event = version.events[replay.event_type]
    schema = version.stages[replay.stage].accepts or event.data_schema
    try:
        data = parse_json(value)
    except ValueError as error:
        raise UnfitValueError(
            f"the value is no JSON: {single_line(str(error))[:_MAX_REASON_LENGTH]}"
        ) from None
    if event.key is not None and event_key(value, event.key, version.format) != event_key(
        letter_text(replay).encode(), event.key, version.format
    ):
        raise UnfitValueError(
            f"{event.key}: the event's key must stay as it was, its order goes by it"
        )
    if schema is None:
        return value
    # An empty registry: references in a schema are never fetched.
    problem = best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(data))
    if problem is not None:
        where = ".".join(map(str, problem.absolute_path)) or "data"
        marks = (schema, event.data_schema, replay.version.events[replay.event_type].data_schema)
        is_personal = any(_hides_part(data, each, problem.absolute_path) for each in marks)
        text = _without_value(problem) if is_personal else problem.message
        raise UnfitValueError(f"{where}: {single_line(text)[:_MAX_REASON_LENGTH]}")
    return value


def _hides_part(data: Any, schema: Mapping[str, Any] | None, path: Iterable[str | int]) -> bool:
    """Return True if the part of the data at this path holds something personal."""
    masked = mask_personal(data, schema)
    for step in path:
        if masked == PERSONAL_MASK:
            return True
        data, masked = data[step], masked[step]
    return bool(masked != data)


def _without_value(problem: ValidationError) -> str:
    """Return why a value does not fit, without the value itself, which is personal."""
    if problem.validator in _NAMING_FIELDS:
        return str(problem.message)
    limit = problem.validator_value
    shown = f" {limit}" if isinstance(limit, str | int | float) else ""
    return f"{PERSONAL_MASK} does not fit its {problem.validator}{shown}"


def letter_text(replay: Replay) -> str:
    """Return the JSON text of a letter's event. Raises UnfitValueError if it cannot be edited,
    because it is no JSON or in CloudEvents' structured mode."""
    _require_editable(replay)
    value = replay.event.value or b""
    try:
        parse_json(value)
    except ValueError as error:
        raise UnfitValueError(
            f"its value is no JSON: {single_line(str(error))[:_MAX_REASON_LENGTH]}"
        ) from None
    return value.decode()


def _require_editable(replay: Replay) -> None:
    """Raise UnfitValueError for an event in CloudEvents' structured mode."""
    try:
        envelope = parse_envelope(replay.event)
    except UnreadableEventError:
        return  # perhaps the value is what has to be repaired
    if envelope.data != replay.event.value:
        raise UnfitValueError(
            "it is in CloudEvents' structured mode, which can be replayed but not edited"
        )
