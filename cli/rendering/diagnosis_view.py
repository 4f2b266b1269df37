"""How is a diagnosis shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.cli.rendering.tables import format_columns
from farandole.events.safe_text import single_line
from farandole.operations.diagnosis.diagnose import DiagnosisResult


def diagnosis_lines(result: DiagnosisResult) -> Iterator[str]:
    """Yield a line for each check, and below it what to do."""
    rows = [(f"{row.state:7}", row.check, single_line(row.found)) for row in result.checks]
    for row, line in zip(result.checks, format_columns(rows, left=3), strict=True):
        yield line
        if row.remedy is not None:
            yield f"{' ' * 9}→ {single_line(row.remedy)}"
