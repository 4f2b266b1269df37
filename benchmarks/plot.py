"""What do the figures look like? Draws them into docs/."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import orjson
from matplotlib import pyplot

DOCS = Path(__file__).parent.parent / "docs"


def rewiring(measured: dict[str, Any], file: Path) -> None:
    """Events a second at the pipeline's end, and when each edit was published."""
    seconds, rates = zip(*measured["throughput"], strict=True)
    figure, axes = pyplot.subplots(figsize=(9, 3.2), layout="constrained")
    for edit in measured["edits"]:
        axes.axvline(edit, color="#d9822b", linewidth=0.8)
    axes.plot(seconds, rates, color="#2b6cb0", linewidth=1.4, drawstyle="steps-post")
    axes.set(
        xlabel="seconds (an orange line: an edit is published)",
        ylabel="events a second",
        title=measured["what"],
        ylim=(0, None),
        xlim=(0, max(seconds)),
    )
    figure.savefig(file)


def main() -> None:
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "farandole"  # the same figures, the same file
    results = orjson.loads(Path(sys.argv[1]).read_bytes())
    if "rewiring" in results:
        rewiring(results["rewiring"], DOCS / "rewiring.svg")


if __name__ == "__main__":
    main()
