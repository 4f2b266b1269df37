"""How is a profile of data shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.number_format import format_share, grouped
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_recent
from farandole.operations.quality.column_figures import (
    Bars,
    ColumnFigures,
    Number,
    ProfileFigures,
)
from farandole.operations.quality.profile_comparison import ProfileComparison
from farandole.operations.quality.show_profile import EventProfile, ProfileResult

_BLOCKS = " ▁▂▃▄▅▆▇█"
_LARGE_CHANGE = 0.25
"""From this population stability index on a distribution is another one."""
_REPEATED_SEEN = 0.02
"""The share of rows that come again is no better known than that."""


def profile_lines(result: ProfileResult, *, whole: bool = False) -> Iterator[str]:
    """Yield the lines of profiles; `whole`: with values and histograms of each column."""
    for number, each in enumerate(result.profiles):
        if number:
            yield ""
        yield _head(each)
        if each.profile is not None:
            yield from _columns(each.profile)
            if whole:
                for column in each.profile.columns:
                    yield from _details(column)
        if each.compared is not None:
            yield from _comparison(each.compared)


def _head(each: EventProfile) -> str:
    now = datetime.now(UTC)
    of = f"run {each.run}" if each.run else ""
    if each.window is not None:
        of = f"the window from {format_recent(each.window, now)}"
    parts = [f"{each.event} of {of}, {each.pipeline}@{each.version}"]
    if each.profile is not None:
        parts.append(f"{grouped(each.profile.rows)} rows")
        if each.profile.unreadable:
            parts.append(f"{grouped(each.profile.unreadable)} that are no JSON")
        if each.profile.left_out:
            parts.append(f"{grouped(each.profile.left_out)} values of further columns")
        parts += _repeated(each.profile.repeated)
    if each.died is not None:
        parts.append(f"{grouped(each.died.rows + each.died.unreadable)} died")
    if not each.ended:
        parts.append("not ended: more may come")
    return "; ".join(parts)


def _repeated(share: float | None) -> list[str]:
    """Return what is said of rows that come again; nothing if they may be none."""
    if share is None or share < _REPEATED_SEEN:
        return []
    return [f"about {round(100 * share)} % of the rows come again"]


def _columns(profile: ProfileFigures) -> list[str]:
    rows = [("column", "kind", "values", "null", "missing", "distinct", "min", "median", "max")]
    for column in profile.columns:
        about = "" if column.distinct_is_exact else "~"
        rows.append(
            (
                single_line(column.name),
                "personal" if column.personal else "/".join(sorted(column.kinds)) or "-",
                grouped(column.values),
                grouped(column.nulls),
                grouped(column.missing),
                f"{about}{grouped(column.distinct)}",
                *(_least_to_largest(column)),
            )
        )
    return format_columns(rows, left=2)


def _least_to_largest(column: ColumnFigures) -> tuple[str, str, str]:
    if column.minimum is not None:
        median = column.quantiles.get("0.5")
        return _number(column.minimum), _number(median), _number(column.maximum)
    if column.shortest is not None:
        return f"{column.shortest} char", "", f"{column.longest} char"
    return "", "", ""


def _number(number: Number | None) -> str:
    if number is None:
        return ""
    return grouped(int(number)) if float(number).is_integer() else f"{number:.6g}"


def _details(column: ColumnFigures) -> Iterator[str]:
    yield ""
    yield single_line(column.name)
    if column.histogram is not None:
        yield f"  {_bars(column.histogram)}"
    if column.mean is not None:
        yield f"  mean {_number(column.mean)}, sum {_number(column.total)}"
    for share, number in column.quantiles.items():
        yield f"  {float(share):>4.0%} are at most {_number(number)}"
    for value in column.top:
        yield f"  {grouped(value.count):>10}  {single_line(str(value.value))[:80]}"
    for name, count in sorted(column.formats.items()):
        yield f"  {grouped(count):>10}  can be read as {name}"
    if column.trimmed:
        yield f"  left out for want of room: {', '.join(column.trimmed)}"


def _bars(histogram: Bars) -> str:
    largest = max(histogram.counts, default=0) or 1
    blocks = "".join(
        _BLOCKS[-(-count * (len(_BLOCKS) - 1) // largest)] for count in histogram.counts
    )
    return f"{_number(histogram.edges[0])} {blocks} {_number(histogram.edges[-1])}"


def _comparison(found: ProfileComparison) -> Iterator[str]:
    now = datetime.now(UTC)
    other = f"run {found.run}" if found.run else ""
    if found.window is not None:
        other = f"the window from {format_recent(found.window, now)}"
    yield ""
    parts = [f"against {other}: {grouped(found.rows)} rows", *_repeated(found.repeated)]
    yield "; ".join(parts)
    rows = [("column", "change (PSI)", "KS", "null", "distinct")]
    for change in found.columns:
        psi = "" if change.psi is None else f"{change.psi:.3f}"
        if change.psi is not None and change.psi >= _LARGE_CHANGE:
            psi = Alarm(psi)
        rows.append(
            (
                single_line(change.name),
                psi,
                "" if change.ks is None else f"{change.ks:.3f}",
                _signed_share(change.nulls),
                f"{change.distinct:+d}" if change.distinct else "",
            )
        )
    yield from format_columns(rows)
    for what, names in (("only here", found.only_here), ("only there", found.only_there)):
        if names:
            yield f"{what}: {', '.join(map(single_line, names))}"


def _signed_share(share: float) -> str:
    if not share:
        return ""
    return f"{'+' if share > 0 else '-'}{format_share(abs(share))} %"
