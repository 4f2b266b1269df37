"""What may a person see of one dead letter, and what can be done with it?

What a schema marks as personal is masked, in the data, the key, the message and the traceback,
unless the request says `reveal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.json_text import indent_json, parse_json, rewrite_json
from farandole.events.personal_data_masking import PERSONAL_MASK, mask_personal
from farandole.events.personal_fields import IMPERSONAL_HEADERS
from farandole.events.record import Record
from farandole.events.safe_text import escape_harmful, escape_harmful_json, single_line
from farandole.events.settlement_record import Settlement
from farandole.events.topology_version import Version
from farandole.notifier.dead_letter_view import DeadLetterView, PersonalData, redacted_text
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import account_field
from farandole.operations.dead_letters.recorded_letter import read_letter
from farandole.operations.dead_letters.replay_builder import (
    NotReplayableError,
    Replay,
    parse_letter,
    replay_by_newest,
)
from farandole.operations.dead_letters.replay_outcome import ReplayOutcome
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result

MAX_SHOWN_BYTES = 64 * 1024
"""Longer data are cut."""
MAX_SHOWN_HEADERS = 200
_MAX_HEADER_LENGTH = 4_000  # characters


@dataclass(frozen=True, slots=True)
class LetterDetailRequest:
    """Which letter to describe."""

    stage: str
    offset: int
    reveal: bool = False
    """True to leave personal data as they are."""


class ShownValue(NamedTuple):
    """The data of a letter, in a form that may be shown."""

    text: str
    kind: Literal["json", "text", "none", "hidden"]
    """`json`: indented JSON. `text`: what is no JSON, with bytes that are no UTF-8 escaped.
    `none`: there are no data. `hidden`: they may hold personal data anywhere."""
    size: int
    """Bytes of the data."""
    cut: bool = False
    """True if the text is only the beginning."""


class ReplayTarget(Result):
    """A version that could handle the letter when it is replayed."""

    version: str
    retired: bool
    accepts: dict[str, Any] | None
    """The JSON Schema of the data that the stage takes; None if it takes anything."""
    key: str | None
    """The field that is the event's key, which must stay as it is."""
    problem: str | None
    """Why it cannot handle the letter; None if it can."""


class LetterHeader(Result):
    """A header of the event."""

    name: str
    value: str | None


class LetterDetail(Result):
    """All that may be shown of a dead letter."""

    pipeline: str
    stage: str
    offset: int
    time: datetime
    error: str
    message: str
    place: str
    """The line of code, `stages/orders.py:12`; empty if it is not known."""
    traceback: str
    attempts: int
    replays: int
    first_failed: str
    last_failed: str
    variant: str
    fingerprint: str
    run: str
    version: str
    event_id: str
    event_type: str
    topic: str
    """The topic of the event; `partition` and `event_offset` complete its position."""
    partition: int | None
    event_offset: int | None
    key: str | None
    key_personal: bool
    revealed: bool
    headers: list[LetterHeader]
    data: str
    data_kind: Literal["json", "text", "none", "hidden"]
    data_size: int
    data_cut: bool
    masked: bool
    """True if a part of the data is masked."""
    letter_cut: str
    """How much of the event is left, if it was cut to fit into the topic; else empty."""
    settlement: dict[str, Any] | None
    """`how`, `by`, `at` and `reason`; None while the letter is open."""
    outcome: ReplayOutcome | None
    targets: list[ReplayTarget]
    """The letter's own version, then the newest if that is another one. Empty if the letter does
    not say enough."""
    problem: str | None
    """Why the letter cannot be replayed at all; None if nothing is known against it."""


@query
async def describe_letter(installation: Installation, request: LetterDetailRequest) -> LetterDetail:
    """Return what may be shown of a dead letter. Raises NotFoundError `unknown_stage`,
    `unknown_letter` and `nothing_applied`."""
    stage = request.stage
    found = await read_letter(installation, stage, request.offset)
    return _detail(
        found.store, stage, found.record, found.settlement, found.outcome, request.reveal
    )


def shown_value(letter: DeadLetterView, *, reveal: bool = False) -> ShownValue:
    """Return the data of a letter, masked unless they are to be revealed, and cut if they are
    long."""
    return shown_data(letter.record.value, letter.secrets, reveal=reveal)


def shown_data(value: bytes | None, secrets: PersonalData, *, reveal: bool = False) -> ShownValue:
    """Return data in a form that may be shown."""
    if value is None:
        return ShownValue("", "none", 0)
    if secrets.hides_all and not reveal:
        return ShownValue("", "hidden", len(value))
    if len(value) <= MAX_SHOWN_BYTES:
        try:
            content = parse_json(value)
        except ValueError:
            pass
        else:
            if secrets.schema is not None and not reveal:
                value = rewrite_json(value, mask_personal(content, secrets.schema))
            text = escape_harmful_json(indent_json(value.decode()).rstrip("\n"))
            return ShownValue(text, "json", len(value))
    kept = value[:MAX_SHOWN_BYTES].decode(errors="backslashreplace")
    return ShownValue(escape_harmful(kept), "text", len(value), len(value) > MAX_SHOWN_BYTES)


def _detail(
    store: DeadLetterStore,
    stage: str,
    record: Record,
    settlement: Settlement | None,
    outcome: ReplayOutcome | None,
    reveal: bool,
) -> LetterDetail:
    fields_of = store.directory.personal_fields
    letter = DeadLetterView.from_record(record, store.pipeline, stage, fields_of, datetime.now(UTC))
    secrets = letter.secrets

    def account(name: str) -> str:
        return single_line(account_field(record, name))

    def told(name: str) -> str:
        """A text of the failed code, in which personal data may be."""
        text = account_field(record, name)
        if not reveal:
            text = letter.title if secrets.hides_all else redacted_text(text, secrets.values)
        return escape_harmful(text)

    value = shown_value(letter, reveal=reveal)
    headers = [h for h in record.headers if not h[0].startswith(DEAD_HEADER_PREFIX)]
    attributes = {name: (raw or b"").decode(errors="backslashreplace") for name, raw in headers}
    targets, problem = _targets(store, stage, record)
    key = None if record.key is None else record.key.decode(errors="backslashreplace")
    key_personal = key is not None and (
        secrets.hides_all or secrets.hides_key or key in secrets.values
    )
    return LetterDetail(
        pipeline=store.pipeline,
        stage=stage,
        offset=record.offset,
        time=letter.time,
        error=letter.error,
        message=told("message"),
        place=account("place"),
        traceback="" if secrets.hides_all and not reveal else told("traceback"),
        attempts=_number(account("attempts")) or 0,
        replays=_number(account("replays")) or 0,
        first_failed=account("first_failed"),
        last_failed=account("last_failed"),
        variant=account("variant"),
        fingerprint=letter.fingerprint,
        run=account("run"),
        version=letter.version,
        event_id=single_line(attributes.get("ce_id", "")),
        event_type=single_line(attributes.get("ce_type", "")),
        topic=account("topic"),
        partition=_number(account("partition")),
        event_offset=_number(account("offset")),
        key=None
        if key is None
        else PERSONAL_MASK
        if key_personal and not reveal
        else single_line(key),
        key_personal=key_personal,
        revealed=reveal,
        headers=_shown_headers(attributes, letter, reveal),
        data=value.text,
        data_kind=value.kind,
        data_size=len(record.value or b""),
        data_cut=value.cut,
        masked=value.kind == "hidden" or (not reveal and PERSONAL_MASK in value.text),
        letter_cut=account("cut"),
        settlement=None if settlement is None else settlement.to_data(),
        outcome=outcome,
        targets=targets,
        problem=problem,
    )


def _targets(
    store: DeadLetterStore, stage: str, record: Record
) -> tuple[list[ReplayTarget], str | None]:
    """Return the versions that could handle a letter, and why none can."""
    try:
        replay = parse_letter(record, stage, store.by_name)
    except NotReplayableError as error:
        return [], str(error)
    targets = [_target(replay.version, replay, None)]
    if store.newest.name != replay.version.name:
        try:
            replay_by_newest(replay, store.newest)
        except NotReplayableError as error:
            targets.append(
                ReplayTarget(
                    version=store.newest.name,
                    retired=False,
                    accepts=None,
                    key=None,
                    problem=str(error),
                )
            )
        else:
            targets.append(_target(store.newest, replay, None))
    return targets, None


def _target(version: Version, replay: Replay, problem: str | None) -> ReplayTarget:
    event = version.events[replay.event_type]
    return ReplayTarget(
        version=version.name,
        retired=version.retired is not None,
        accepts=version.stages[replay.stage].accepts or event.data_schema,
        key=event.key,
        problem=problem,
    )


def _shown_headers(
    attributes: Mapping[str, str], letter: DeadLetterView, reveal: bool
) -> list[LetterHeader]:
    secrets = letter.secrets
    hidden, hides = secrets.values, secrets.schema is not None or secrets.hides_key
    shown = []
    for name, text in [*attributes.items()][:MAX_SHOWN_HEADERS]:
        kept = text[:_MAX_HEADER_LENGTH]
        if not reveal:
            is_known = name in IMPERSONAL_HEADERS
            kept = redacted_text(kept, hidden) if is_known or not hides else PERSONAL_MASK
        shown.append(LetterHeader(name=single_line(name), value=escape_harmful(kept)))
    return shown


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
