"""Which modules does an event pass on its way through a lane? Draws docs/event-path.svg."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

FILE = Path(__file__).parent / "event-path.svg"
PLAIN, SOFT, STRONG = "#eef3f8", "#dbe7f3", "#2b6cb0"
WIDTH, HEIGHT = 2.75, 0.62

STEPS = {
    # name: (column, row, module, what it does)
    "fetch": (0, 0, "lanes/kafka_port.py", "fetch a batch, in order"),
    "batch": (0, 1, "worker/lane_processor.py", "order of work, size of a transaction"),
    "lineage": (0, 2, "worker/lineage.py", "run and version of the record"),
    "owner": (1, 2, "catalog/ownership.py", "who owns it, by which version"),
    "admission": (0, 3, "worker/event_path.py", "filter, bytes to data; one closure an edge"),
    "call": (0, 4, "worker/invoker.py", "call the function"),
    "slow": (1, 3, "worker/admission.py", "the same, with awaits between"),
    "route": (0, 5, "worker/emitter.py", "results to records: topic, key, id"),
    "buffer": (0, 6, "worker/transaction_buffer.py", "records, ledger entries, limits"),
    "commit": (0, 7, "lanes/lane_protocol.py", "one transaction with the offset"),
    "decide": (1, 4, "worker/retry_policy.py", "retry, park or give up?"),
    "queue": (1, 5, "worker/retry_queue.py", "parked until due; circuit breaker"),
    "dead": (1, 6, "worker/dead_letter_writer.py", "value, headers and why"),
    "books": (2, 7, "ledger/run_completion.py", "entries to run rows; complete?"),
    "notice": (2, 6, "notifier/incident_store.py", "dead letters to incidents, mails"),
}
ARROWS = [
    ("fetch", "batch", ""), ("batch", "lineage", ""), ("lineage", "owner", "at a new edge"),
    ("lineage", "admission", ""), ("admission", "slow", "must wait"),
    ("admission", "call", ""), ("call", "route", ""),
    ("route", "buffer", ""), ("buffer", "commit", ""), ("call", "decide", "fails"),
    ("decide", "queue", "park, or"), ("queue", "dead", "give up"),
    ("dead", "buffer", "rows, too"),
    ("commit", "books", "farandole.ledger"), ("dead", "notice", "{stage}.dead"),
]  # fmt: skip


def main() -> None:
    """Draw the steps as boxes, a column for the straight path and one for failures."""
    matplotlib.rcParams |= {"svg.hashsalt": "farandole", "svg.fonttype": "none"}  # reproducible
    figure, axes = pyplot.subplots(figsize=(10.5, 7.2), layout="constrained")
    axes.set(xlim=(-0.1, 10.4), ylim=(-8.0, 0.9))
    axes.axis("off")
    for column, title in enumerate(
        ("the straight path of an event", "where it differs", "other services, by topics alone")
    ):
        axes.text(_left(column), 0.72, title, fontsize=10, color=STRONG, weight="bold")
    for name, (column, row, module, what) in STEPS.items():
        face = SOFT if name == "commit" else PLAIN
        axes.add_patch(
            FancyBboxPatch(
                (_left(column), -row - HEIGHT / 2 + 0.1), WIDTH, HEIGHT,
                boxstyle="round,pad=0.02,rounding_size=0.08", facecolor=face, edgecolor=STRONG,
                linewidth=0.9,
            )
        )  # fmt: skip
        axes.text(_left(column) + 0.1, -row + 0.2, module, fontsize=8.5, family="monospace")
        axes.text(_left(column) + 0.1, -row - 0.1, what, fontsize=8, color="#444444")
    for start, end, label in ARROWS:
        _arrow(axes, start, end, label)
    figure.savefig(FILE, metadata={"Date": None})


def _left(column: int) -> float:
    return column * 3.75


def _arrow(axes: Axes, start: str, end: str, label: str) -> None:
    """Draw an arrow from the edge of one box to that of another."""
    (from_column, from_row, *_), (to_column, to_row, *_) = STEPS[start], STEPS[end]
    if from_column == to_column:
        tail = (_left(from_column) + WIDTH / 2, -from_row - HEIGHT / 2 + 0.08)
        head = (_left(to_column) + WIDTH / 2, -to_row + HEIGHT / 2 + 0.12)
    else:
        forward = to_column > from_column
        tail = (_left(from_column) + (WIDTH + 0.03 if forward else -0.03), -from_row + 0.1)
        head = (_left(to_column) + (-0.03 if forward else WIDTH + 0.03), -to_row + 0.1)
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": STRONG, "lw": 1.1})
    middle = ((tail[0] + head[0]) / 2, (tail[1] + head[1]) / 2)
    if from_column == to_column:
        axes.text(middle[0] + 0.1, middle[1] - 0.04, label, fontsize=7.5, color=STRONG)
    else:
        axes.text(middle[0], middle[1] + 0.07, label, fontsize=7.5, color=STRONG, ha="center")


if __name__ == "__main__":
    main()
