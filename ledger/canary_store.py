"""What was observed under the canary switches of a lane's stages, and which of them must end?"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import structlog

from farandole.events.canary_counts import TIME_MARGIN, VariantCounts, add_counts, time_quantile
from farandole.events.canary_row import (
    CANARY_PREFIX,
    CanaryRow,
    canary_key,
    new_canary_row,
    parse_canary_row,
)
from farandole.events.ledger_entry import LedgerEntry
from farandole.events.number_format import format_share, grouped
from farandole.events.record import OutgoingRecord
from farandole.events.switch_document import EndSwitchDocument
from farandole.events.time_format import format_short_elapsed
from farandole.ledger.sequential_test import Evidence, weigh

log = structlog.get_logger()

_HEARD_MS = 60_000  # in which every lane has heard that a switch is over


class CanaryStore:
    """The canary rows of one lane of the bookkeeper.

    The caller takes changes, writes and commits them; if that fails, it calls `restore` with the
    rows that are committed."""

    def __init__(self) -> None:
        self._rows: dict[bytes, CanaryRow] = {}
        self._changed: set[bytes] = set()

    def restore(self, rows: Mapping[bytes, bytes]) -> None:
        """Replace all state with the rows among `rows` that are of canaries. Raises
        NewerFormatError; others that no bookkeeper of ours wrote are logged and skipped."""
        self._rows, self._changed = {}, set()
        for key, value in rows.items():
            if not key.startswith(CANARY_PREFIX):
                continue
            try:
                row = parse_canary_row(value)
                if key != canary_key(row["pipeline"], row["stage"]):
                    raise ValueError("its key is that of another stage")
            except ValueError:
                log.warning("state.foreign", key=key.decode(errors="backslashreplace"))
            else:
                self._rows[key] = row

    def fold(self, entry: LedgerEntry) -> None:
        """Add the observations of a valid entry. Those of a switch that a newer one has replaced,
        or that is ended, count no more; but if they still come long after the end, its document is
        gone, and is written again."""
        counts = entry.get("canary")
        if counts is None:
            return
        key = canary_key(entry["pipeline"], entry["stage"])
        row = self._rows.get(key)
        if row is None or row["generation"] < counts["generation"]:
            row = new_canary_row(
                entry["pipeline"], entry["stage"], counts["generation"], entry["at"]
            )
            self._rows[key] = row
        if row["generation"] != counts["generation"]:
            return
        if "ended" in row:
            if entry["at"] >= row["last"] + _HEARD_MS:
                row["last"] = entry["at"]
                self._changed.add(key)
            return
        add_counts(row["candidate"], counts["candidate"])
        add_counts(row["stable"], counts["stable"])
        row["last"] = max(row["last"], entry["at"])
        self._changed.add(key)

    def take_changes(self) -> tuple[list[OutgoingRecord], list[EndSwitchDocument]]:
        """Return the rows that have changed since the last call, and a document for each switch
        whose candidate is worse: it is over."""
        rows, ends = [], []
        for key in sorted(self._changed):
            row = self._rows[key]
            evidence = weigh(row["candidate"], row["stable"])
            if evidence.is_enough and "ended" not in row:
                row["ended"] = explain_end(row, evidence)
            if "ended" in row:
                ends.append(
                    EndSwitchDocument(
                        pipeline=row["pipeline"],
                        stage=row["stage"],
                        generation=row["generation"],
                        why=row["ended"],
                        by="the bookkeeper",
                    )
                )
            rows.append(OutgoingRecord(key, orjson.dumps(row)))
        self._changed.clear()
        return rows, ends


def explain_end(row: CanaryRow, evidence: Evidence) -> str:
    """Return why a switch ends whose candidate is worse by this evidence."""
    candidate, stable = row["candidate"], row["stable"]
    if evidence.failures >= evidence.times:
        return (
            f"its candidate fails more often: {_failures_text(candidate)}; the stable function:"
            f" {_failures_text(stable)}"
        )
    return (
        f"its candidate takes more than {TIME_MARGIN:g} times as long: {_times_text(candidate)};"
        f" the stable function: {_times_text(stable)}"
    )


def _failures_text(counts: VariantCounts) -> str:
    share = format_share(counts["failed"] / counts["n"])
    return f"{share} % of {grouped(counts['n'])} first attempts"


def _times_text(counts: VariantCounts) -> str:
    half, most = (format_short_elapsed(time_quantile(counts, q) or 0) for q in (0.5, 0.95))
    return f"half of its calls up to {half}, 95 % up to {most}"
