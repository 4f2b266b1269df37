"""How are dead letters and their kinds shown on a terminal?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime

from farandole.cli.rendering.counts import count_text
from farandole.cli.rendering.tables import alarm_count, format_columns
from farandole.events.json_text import indent_json, parse_json
from farandole.events.next_step import CommandLine
from farandole.events.number_format import grouped
from farandole.events.run_ids import RUN_ID_PATTERN
from farandole.events.safe_text import escape_harmful, single_line
from farandole.events.time_format import format_recent, format_recent_ms, format_timestamp
from farandole.operations.dead_letters.discard import DiscardResult
from farandole.operations.dead_letters.failure_kinds import FailureKind
from farandole.operations.dead_letters.letter_queries import LetterResult, LetterSummary
from farandole.operations.dead_letters.refusals import Refusal
from farandole.operations.dead_letters.replay import ReplayPreview, ReplayResult
from farandole.operations.dead_letters.replay_outcome import ReplayOutcome
from farandole.operations.reason_text import reason_text

_MAX_TITLE_LENGTH = 60  # characters of a kind's error and title


def kind_lines(kinds: Sequence[FailureKind]) -> list[str]:
    """Return a table of kinds, one line each."""
    head = ("stage", "fingerprint", "what", "open", "settled", "first (UTC)", "last", "newest")
    rows = [head]
    rows += [
        (
            kind.stage,
            kind.fingerprint,
            _title(kind.error, kind.title),
            alarm_count(kind.open),
            grouped(kind.replayed + kind.discarded),
            format_recent_ms(kind.first),
            format_recent_ms(kind.last),
            kind.letter,
        )
        for kind in kinds
    ]
    return format_columns(rows, left=3)


def summary_lines(letters: Sequence[LetterSummary]) -> list[str]:
    """Return a table of letters, one line each."""
    rows = [("letter", "died (UTC)", "what", "run", "settled")]
    rows += [
        (
            letter.name,
            format_recent(letter.time),
            _title(letter.error, letter.title),
            single_line(letter.run),
            _settled_text(letter),
        )
        for letter in letters
    ]
    return format_columns(rows, left=5)


def _settled_text(letter: LetterSummary) -> str:
    if letter.settled is None or letter.settled_at is None:
        return ""
    at = format_timestamp(letter.settled_at)
    return single_line(f"{letter.settled} by {letter.settled_by} at {at}")


def _title(error: str, title: str) -> str:
    text = single_line(f"{error}: {title}")
    return text if len(text) <= _MAX_TITLE_LENGTH else f"{text[: _MAX_TITLE_LENGTH - 1]}…"


def letter_lines(letter: LetterResult) -> list[str]:
    """Return the lines of a letter, without characters that a terminal would act on."""
    record, stage, settlement = letter.record, letter.stage, letter.settlement

    def word(name: str, otherwise: str = "(unknown)") -> str:
        return single_line(letter.account(name)) or otherwise

    key = "(none)" if record.key is None else single_line(_decode_text(record.key))
    replays = word("replays", "0")
    replayed = "" if replays == "0" else f"; replayed {replays} times before"
    lines = [
        f"{stage}/{record.offset}: {word('error')}, kind {word('fingerprint')}",
        *_indented(letter.account("message") or "(no message)"),
        "",
        f"event    {word('topic')}/{word('partition')}/{word('offset')}, key {key}",
        *_event_id_lines(letter),
        f"run      {word('run')}, wired by {word('version')}",
        f"tried    {_tried_text(letter)}{replayed}",
    ]
    if letter.account("variant"):
        lines.append(f"variant  {word('variant')}")
    if letter.account("place"):
        lines.append(f"at       {word('place')}")
    if letter.account("cut"):
        lines.append(f"cut      {word('cut')}")
    if settlement is None:
        lines.append("settled  no: it is open")
    else:
        why = f": {single_line(settlement.reason)}" if settlement.reason else ""
        lines.append(
            f"settled  {settlement.how} by {single_line(settlement.by)} at "
            f"{format_timestamp(settlement.at)} UTC{why}"
        )
    if letter.outcome is not None:
        lines.append(f"outcome  {_outcome_text(letter.outcome)}")
    if letter.account("traceback"):
        lines += ["", *_indented(letter.account("traceback").rstrip("\n"))]
    if letter.headers:
        headers = (f"{name}: {_decode_text(value)}" for name, value in letter.headers)
        lines += ["", *map(single_line, headers)]
    return [*lines, "", *_indented(_format_value(record.value))]


def _tried_text(letter: LetterResult) -> str:
    """Return how often and when a letter's event was tried, as far as its headers say that."""
    attempts = single_line(letter.account("attempts")) or "(unknown)"
    first, last = (_time_text(letter.account(name)) for name in ("first_failed", "last_failed"))
    if attempts == "1":
        at = last or first
        return f"once, at {at} UTC" if at else "once"
    if first and last:
        return f"{attempts} times, from {first} to {last} UTC"
    return f"{attempts} times" + (f", last at {last} UTC" if last else "")


def _time_text(text: str) -> str:
    """Return a time of a header as people read it, what is no time as it is, and an empty text
    where there is none."""
    try:
        return format_timestamp(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return single_line(text)


def _event_id_lines(letter: LetterResult) -> list[str]:
    """Return the line with the event's id; none for a bare record, whose position is its name."""
    ids = (value for name, value in letter.headers if name == "ce_id")
    return [f"id       {single_line(_decode_text(each))}" for each in ids]


def _outcome_text(outcome: ReplayOutcome) -> str:
    if outcome.state == "died":
        return f"it died again, as {outcome.letter}"
    if outcome.state == "waiting":
        return "it waits to be handled by the stage"
    return "the stage is done with it; it has not died again"


def letter_commands(letter: LetterResult, command_line: CommandLine) -> list[str]:
    """Return commands that are useful next for a letter."""
    offset = letter.record.offset
    lines = [
        f"kcat -C -b {shlex.quote(letter.bootstrap)} -t {letter.topic} -p 0 -o {offset} -c 1 "
        "-f '%h\\n%k\\n%s\\n'"
    ]
    run_id = letter.account("run")
    if RUN_ID_PATTERN.fullmatch(run_id.encode()):
        lines.append(command_line("run", run_id))
    if letter.outcome is not None and letter.outcome.letter is not None:
        lines.append(command_line("dead", "show", letter.outcome.letter))
    if letter.settlement is None:
        position = f"{letter.stage}/{offset}"
        lines.append(command_line("dead", "replay", position))
        lines.append(command_line("dead", "discard", position, "--reason", "'…'"))
    return lines


def preview_lines(preview: ReplayPreview) -> Iterator[str]:
    """Yield the lines of a preview: what would be replayed, by stage, then what cannot be
    replayed."""
    for stage in preview.stages:
        yield from _settled_before_line(stage.stage, stage.settled_before)
    for stage in preview.stages:
        if stage.letters:
            yield f"{stage.stage}: {count_text(stage.replayable, 'letter')} can be replayed"
    for refusal in preview.refused:
        yield refusal_line(refusal)


def refusal_line(refusal: Refusal) -> str:
    """Return how many letters cannot be replayed for one reason."""
    letters = count_text(refusal.count, "letter")
    return single_line(f"{letters} cannot be replayed: {reason_text(refusal.reason)}")


def replay_lines(result: ReplayResult) -> Iterator[str]:
    """Yield what was replayed, by stage."""
    for each in result.stages:
        yield _outcome_line(
            each.stage, each.replayed, "replayed", each.expired, each.settled_by_others
        )


def discard_lines(result: DiscardResult) -> Iterator[str]:
    """Yield what was discarded, by stage."""
    for each in result.stages:
        yield from _settled_before_line(each.stage, each.settled_before)
    selected = [
        each for each in result.stages if each.discarded or each.expired or each.settled_by_others
    ]
    for each in selected:
        yield _outcome_line(
            each.stage, each.discarded, "discarded", each.expired, each.settled_by_others
        )
    if not selected:
        yield "nothing to discard: no open letter is meant"


def _settled_before_line(stage: str, count: int) -> Iterator[str]:
    if count:
        letters = count_text(count, "letter")
        yield f"{stage}: {letters} settled before, to which nothing is done"


def _outcome_line(stage: str, done: int, how: str, expired: int, by_others: int) -> str:
    line = f"{stage}: {count_text(done, 'letter')} {how}"
    if expired:
        line += f"; {grouped(expired)} are kept no longer"
    if by_others:
        line += f"; {grouped(by_others)} had been settled by somebody else by then"
    return line


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in escape_harmful(text).replace("\t", "    ").split("\n")]


def _decode_text(raw: bytes | None) -> str:
    return "(null)" if raw is None else raw.decode(errors="backslashreplace")


def _format_value(value: bytes | None) -> str:
    """Return a value as indented JSON, or as text if it is no JSON."""
    try:
        parse_json(value or b"")
    except ValueError:
        return "(no value)" if value is None else _decode_text(value)
    return indent_json((value or b"").decode()).rstrip("\n")
