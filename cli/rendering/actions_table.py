"""How is what people have done shown on a terminal?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_recent
from farandole.operations.actions.list_actions import ListedAction

_MAX_REASON_LENGTH = 60  # characters


def actions_table(actions: Sequence[ListedAction]) -> list[str]:
    """Return a line for each deed, below a line of headings."""
    now = datetime.now(UTC)
    rows = [("at (UTC)", "who", "via", "what", "of", "result", "why")]
    rows += [
        (
            format_recent(action.at, now),
            single_line(f"{action.who} for {action.by}" if action.by else action.who),
            action.via,
            single_line(action.what),
            single_line(action.target or action.pipeline),
            _result(action),
            _shortened(single_line(action.reason)),
        )
        for action in actions
    ]
    return format_columns(rows, left=7)


def _result(action: ListedAction) -> str:
    text = single_line(f"{action.result}: {action.code}" if action.code else action.result)
    return text if action.result == "ok" else Alarm(text)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_REASON_LENGTH else f"{text[: _MAX_REASON_LENGTH - 1]}…"
