"""How are dead letters and their kinds shown on a terminal?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.cli.rendering.tables import format_columns
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_timestamp_ms
from farandole.notifier.dead_letter_view import record_time
from farandole.notifier.notifier_lane import utc_now
from farandole.operations.dead_letters.failure_kinds import FailureKind

_MAX_TITLE_LENGTH = 60  # characters of a kind's error and title


def kind_lines(kinds: Sequence[FailureKind]) -> list[str]:
    """Return a table of kinds, one line each."""
    rows = [("stage", "fingerprint", "what", "open", "settled", "first (UTC)", "last")]
    rows += [
        (
            kind.stage,
            kind.fingerprint,
            _kind_title(kind),
            f"{kind.open:,}",
            f"{kind.replayed + kind.discarded:,}",
            _format_time(kind.first),
            _format_time(kind.last),
        )
        for kind in kinds
    ]
    return format_columns(rows, left=3)


def _kind_title(kind: FailureKind) -> str:
    text = single_line(f"{kind.error}: {kind.title}")
    return text if len(text) <= _MAX_TITLE_LENGTH else f"{text[: _MAX_TITLE_LENGTH - 1]}…"


def _format_time(milliseconds: int) -> str:
    # Whoever wrote the letter may have given it any time.
    return format_timestamp_ms(int(record_time(milliseconds, utc_now()).timestamp() * 1000))
