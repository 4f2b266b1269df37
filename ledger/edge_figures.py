"""In which figures do two profiles of the events of one run or window differ, with their checks?"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Literal, NamedTuple

from xxhash import xxh3_64_intdigest

from farandole.ledger.edge_data import EdgeData
from farandole.quality.checks.tally_figures import rule_figures, tally_figures
from farandole.quality.profiles.figures import ROWS, ComparedFigures, Figure, Figures, figures_of

Part = Literal["rows", "dead letters", "checks", "keys"]


class Place(NamedTuple):
    """What some figures are about."""

    part: Part
    name: str | None
    """The column, or the check; ROWS for the rows as a whole."""


EdgeFigures = Mapping[Place, ComparedFigures]


class Fingerprint(NamedTuple):
    """What stands for the figures of one place: equal ones have equal fingerprints."""

    exact: int
    spread: int | None
    """As in `ComparedFigures`."""


Fingerprints = Mapping[Place, Fingerprint]


class RowCounts(NamedTuple):
    """How many rows a profile is of."""

    consumed: int
    died: int
    judged: int

    @classmethod
    def of(cls, data: EdgeData) -> RowCounts:
        profile, died, tallies = data.profile, data.died, data.tallies
        return cls(
            0 if profile is None else profile.rows + profile.unreadable,
            0 if died is None else died.rows + died.unreadable,
            0 if tallies is None else tallies.rows,
        )


class FigureDifference(NamedTuple):
    """A figure that is another one in two profiles; None where one of them does not have it."""

    place: Place
    figure: str
    one: Figure | None
    other: Figure | None


def edge_figures(data: EdgeData) -> dict[Place, ComparedFigures]:
    """Return all figures of a profile."""
    figures: dict[Place, ComparedFigures] = {}
    if data.profile is not None:
        figures |= {Place("rows", name): each for name, each in figures_of(data.profile).items()}
    if data.died is not None:
        figures |= {
            Place("dead letters", name): each for name, each in figures_of(data.died).items()
        }
    if data.keys is not None:
        figures[Place("keys", ROWS)] = rule_figures(data.keys)
    if data.tallies is not None:
        figures |= {
            Place("checks", name): each for name, each in tally_figures(data.tallies).items()
        }
    return figures


def fingerprints(figures: EdgeFigures) -> dict[Place, Fingerprint]:
    """Return the fingerprints of figures."""
    return {
        place: Fingerprint(
            _fingerprint(each.exact), None if each.spread is None else _fingerprint(each.spread)
        )
        for place, each in figures.items()
    }


def differing_places(
    one: EdgeFigures | Fingerprints,
    other: EdgeFigures | Fingerprints,
    without: Container[Part] = (),
) -> list[Place]:
    """Return the places at which two profiles differ, but for those of the parts in `without`. What
    either has left out for want of room is not compared."""
    cut = {
        place.part
        for figures in (one, other)
        for place, each in figures.items()
        if place.name is ROWS and each.spread is None
    }
    return [
        place
        for place in dict.fromkeys([*one, *other])
        if place.part not in without
        and (place.name is ROWS or place.part not in cut)
        and _differ(one.get(place), other.get(place))
    ]


def figure_differences(
    one: EdgeFigures, other: EdgeFigures, without: Container[Part] = ()
) -> Iterator[FigureDifference]:
    """Yield the figures that differ; `without`: as in `differing_places`. Of figures about single
    values only those values are there whose counts differ."""
    for place in differing_places(one, other, without):
        first, second = _known(one.get(place), other.get(place))
        for name in dict.fromkeys([*first, *second]):
            its, theirs = first.get(name), second.get(name)
            if isinstance(its, Mapping) and isinstance(theirs, Mapping):
                its, theirs = _differing_values(its, theirs), _differing_values(theirs, its)
            if its != theirs:
                yield FigureDifference(place, name, its, theirs)


def _differ(
    one: ComparedFigures | Fingerprint | None, other: ComparedFigures | Fingerprint | None
) -> bool:
    if one is None or other is None:
        return True
    is_known = one.spread is not None and other.spread is not None
    return one.exact != other.exact or (is_known and one.spread != other.spread)


def _known(one: ComparedFigures | None, other: ComparedFigures | None) -> tuple[Figures, Figures]:
    """Return the figures of both that can be compared."""
    nothing = ComparedFigures({}, {})
    first, second = one or nothing, other or nothing
    if first.spread is None or second.spread is None:
        return first.exact, second.exact
    return {**first.exact, **first.spread}, {**second.exact, **second.spread}


def _differing_values(
    one: Mapping[str, int | str], other: Mapping[str, int | str]
) -> Mapping[str, int | str]:
    return {value: count for value, count in one.items() if other.get(value) != count}


def _fingerprint(figures: Figures) -> int:
    ordered = [
        (name, sorted(figure.items()) if isinstance(figure, Mapping) else figure)
        for name, figure in sorted(figures.items())
    ]
    return xxh3_64_intdigest(repr(ordered).encode("utf-8", "backslashreplace"))
