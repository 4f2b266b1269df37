"""What do the figures of the benchmarks look like as plots in docs/?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from benchmarks.peers.verdict import rank_rows

try:
    import matplotlib
    from matplotlib import pyplot
except ImportError:
    sys.exit("the plots need matplotlib: pip install 'farandole[bench]'")

DOCS = Path(__file__).parent.parent / "docs"


def rewiring(measured: dict[str, Any], file: Path) -> None:
    """Draw events a second at the end of the pipeline, and when each edit was published."""
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


def peers(measured: dict[str, Any], file: Path) -> None:
    """Draw lines a second of each contestant, the fastest on top, with a thin line from the slowest
    to the fastest run."""
    rows = rank_rows(measured["rows"])[::-1]
    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(rows) + 1.1), layout="constrained")
    for place, row in enumerate(rows):
        rate, runs = row["lines/s"] or 0, row["lines/s of each run"]
        bar = axes.barh(place, rate, color=_colour(row), height=0.7)
        if any(mark.startswith("lost") for mark in row["marks"]):
            bar.patches[0].set(fill=False, edgecolor="#a0aec0", hatch="///")
        if runs:
            axes.hlines(place, min(runs), max(runs), color="#1a202c", linewidth=1)
        label = ", ".join([f" {rate:,.0f}", *(mark.split(":")[0] for mark in row["marks"])])
        axes.text(max([rate, *runs]), place, label, va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{r['peer']} ({r['guarantee']})" for r in rows])
    axes.tick_params(axis="y", labelsize=8)
    axes.set(
        xlabel="lines a second, median of all runs",
        title=f"{measured['what']}, {measured['lines']:,} lines",
        xlim=(0, 1.2 * max([1, *(rate for row in rows for rate in row["lines/s of each run"])])),
    )
    figure.savefig(file)


def _colour(row: dict[str, Any]) -> str:
    if row["peer"].startswith("Farandole"):
        return "#d9822b"
    return "#2b6cb0" if row["guarantee"] == "exactly once" else "#a0bfdc"


def main() -> None:
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "farandole"  # the same figures give the same file
    results = orjson.loads(Path(sys.argv[1]).read_bytes())
    if "rewiring" in results:
        rewiring(results["rewiring"], DOCS / "rewiring.svg")
    if "peers" in results:
        peers(results["peers"], DOCS / "peers.svg")


if __name__ == "__main__":
    main()
