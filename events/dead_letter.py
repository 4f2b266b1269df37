"""How does a dead letter describe the failure of its event?

Its value, key and headers are those of the event. The failure is described in text headers whose
names begin with `dead_`. They replace older ones, so that a letter does not grow each time its
event dies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from farandole.events.dead_letter_truncation import approximate_record_size, truncate_record
from farandole.events.error_names import published_error_name
from farandole.events.failure_fingerprint import failure_fingerprint, failure_title
from farandole.events.header_codec import encode_headers
from farandole.events.parked_order import Discard
from farandole.events.record import OutgoingRecord, Record

DEAD_HEADER_PREFIX = "dead_"
MAX_ERROR_NAME_LENGTH = 200  # characters
MAX_DEAD_MESSAGE_LENGTH = 2_000  # characters
MAX_TRACEBACK_LENGTH = 8_000  # characters from its end: the last frames matter most
_BATCH_MARGIN = 64 * 1024  # bytes left for the record batch around the letter


@dataclass(frozen=True, slots=True)
class FailureAccount:
    """Why a stage gave up on an event."""

    stage: str
    version: str
    run: str
    """The run's id; empty if the event could not be read that far."""
    error: str
    """The name of the exception's class; `ProcessDied` if there was no exception."""
    message: str
    traceback: str = ""
    place: str = ""
    """The last line of the user's code at which the error was; empty if none is known."""
    attempts: int = 1
    """All tries, also those before the event was replayed."""
    first_failed: datetime | None = None
    last_failed: datetime | None = None
    replays: int = 0
    """How often the event was replayed before."""
    variant: str = ""
    """Which function failed, while a canary was in force: `stable`, or the name of the
    candidate."""
    discarded: Discard | None = None
    """Who has discarded the event while it waited: then the letter is settled already."""

    @classmethod
    def from_error(
        cls,
        error: BaseException,
        *,
        stage: str,
        version: str,
        run: str,
        attempts: int,
        first: datetime,
        replays: int = 0,
        traceback: str = "",
        place: str = "",
        variant: str = "",
    ) -> FailureAccount:
        return cls(
            stage=stage,
            version=version,
            run=run,
            error=_truncate_text(published_error_name(type(error)), MAX_ERROR_NAME_LENGTH),
            message=safe_error_message(error),
            traceback=_truncate_lines(traceback),
            place=place,
            variant=variant,
            attempts=attempts,
            first_failed=first,
            last_failed=datetime.now(UTC),
            replays=replays,
        )


def safe_error_message(error: BaseException) -> str:
    """Return the message of an exception, also if its `__str__` raises."""
    try:
        return str(error)
    except BaseException as second_error:  # noqa: BLE001 -- a hostile __str__ must not kill the lane
        return f"(its message cannot be read: {type(second_error).__name__})"


def _truncate_lines(traceback: str) -> str:
    lines = traceback.splitlines(keepends=True)
    return "".join(_truncate_text(line, MAX_DEAD_MESSAGE_LENGTH) for line in lines)


def build_dead_letter(record: Record, death: FailureAccount, *, largest: int) -> OutgoingRecord:
    """Return the dead letter of a record, of at most `largest` bytes.

    If the original does not fit it is cut, only its value if that is enough, and the header
    `dead_cut` says so. The whole event is still in its topic, at the position that the letter
    names.
    """
    account = [
        ("stage", death.stage),
        ("error", death.error),
        ("message", _truncate_text(death.message, MAX_DEAD_MESSAGE_LENGTH)),
        (
            "fingerprint",
            failure_fingerprint(
                death.stage, death.error, failure_title(death.message, death.error)
            ),
        ),
        ("attempts", str(death.attempts)),
        ("replays", str(death.replays)),
        ("topic", record.topic),
        ("partition", str(record.partition)),
        ("offset", str(record.offset)),
        ("timestamp", str(record.timestamp)),
        ("version", death.version),
        ("run", death.run),
    ]
    if death.first_failed:
        account.append(("first_failed", death.first_failed.isoformat()))
    if death.last_failed:
        account.append(("last_failed", death.last_failed.isoformat()))
    if death.variant:
        account.append(("variant", death.variant))
    if death.place:
        account.append(("place", _truncate_text(death.place, MAX_ERROR_NAME_LENGTH)))
    if death.discarded is not None:
        discarded = death.discarded._asdict().items()
        account += [(f"discarded_{name}", text) for name, text in discarded]
    if death.traceback:
        account.append(("traceback", death.traceback[-MAX_TRACEBACK_LENGTH:]))
    account_headers = [(DEAD_HEADER_PREFIX + name, _encode_text(text)) for name, text in account]
    key, value = record.key, record.value
    headers = [h for h in record.headers if not h[0].startswith(DEAD_HEADER_PREFIX)]
    if approximate_record_size(key, value, headers + account_headers) + _BATCH_MARGIN > largest:
        key, value, headers, cut = truncate_record(
            key,
            value,
            headers,
            largest - _BATCH_MARGIN - approximate_record_size(None, None, account_headers),
        )
        account_headers.append((f"{DEAD_HEADER_PREFIX}cut", cut.encode()))
    return OutgoingRecord(key, value, encode_headers(headers + account_headers))


def _truncate_text(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def _encode_text(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate is hostile, not fatal
