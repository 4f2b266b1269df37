"""Which figures do tallies have, so that two tallies of the same rows can be compared?"""

from __future__ import annotations

from farandole.quality.checks.rule_tallies import LeftOut, RuleTallies, RuleTally
from farandole.quality.profiles.figures import ROWS, ComparedFigures, Figures


def tally_figures(tallies: RuleTallies) -> dict[str | None, ComparedFigures]:
    """Return the figures of each rule by its name, and those of the rows under ROWS. Two tallies of
    which no part was left out are equal just if all of these are."""
    figures: dict[str | None, ComparedFigures] = {
        name: rule_figures(rule) for name, rule in tallies.rules.items()
    }
    figures[ROWS] = ComparedFigures({"rows": tallies.rows, "passed": tallies.passed}, {})
    return figures


def rule_figures(tally: RuleTally) -> ComparedFigures:
    """Return the figures of one rule."""
    return ComparedFigures({"judged": tally.judged, "failed": tally.failed}, _spread(tally))


def _spread(tally: RuleTally) -> Figures | None:
    if tally.left_out is LeftOut.TRIMMED or tally.samples_trimmed:
        return None
    return {
        "left out": tally.left_out.name.lower(),
        "values": tally.values,
        "samples": tally.samples,
    }
