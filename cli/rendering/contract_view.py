"""How is shown on a terminal what became of the rules of a data contract?"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff

from farandole.cli.rendering.counts import count_text
from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.safe_text import escape_harmful, single_line
from farandole.operations.quality.import_checks import ImportResult


def import_lines(result: ImportResult, before: str | None) -> Iterator[str]:
    """Yield the checks that were imported, and the rules that were left out. `before`: the text of
    the file, if nothing is written; then its change comes first."""
    if before is not None:
        changed = unified_diff(
            before.splitlines(), result.text.splitlines(), "before", "after", lineterm="", n=2
        )
        yield from map(escape_harmful, changed)
        if result.text != before:
            yield ""
    rows = [(f"{c.event}/{c.name}", c.rule, single_line(c.source)) for c in result.checks]
    for line, check in zip(format_columns(rows, left=3), result.checks, strict=True):
        yield line
        if check.remark:
            yield f"    {single_line(check.remark)}"
    for left in result.left_out:
        yield Alarm(single_line(f"left out: {left.source}: {left.why}"))
    number = count_text(len(result.checks), "check")
    if result.written:
        yield f"{result.topology}: has {number} more; see `farandole plan`"
    else:
        yield f"{result.topology}: nothing was written; {number} can be imported"
