"""Does a profile on a terminal say what is known of the rows?"""

from __future__ import annotations

from farandole.cli.rendering.profile_view import profile_lines
from farandole.operations.quality.column_figures import profile_figures
from farandole.operations.quality.show_profile import EventProfile, ProfileResult
from farandole.quality.profiles.profiling import profile_rows


def head(rows: list[bytes]) -> str:
    """The first line about a run of such rows."""
    figures = profile_figures(profile_rows(rows, frozenset()))
    profile = EventProfile(
        pipeline="shop",
        event="line.read",
        stage="check",
        version=1,
        run="r1",
        window=None,
        until=None,
        ended=True,
        profile=figures,
        died=None,
    )
    return next(profile_lines(ProfileResult(profiles=[profile])))


def test_rows_that_come_again_are_said() -> None:
    rows = [b'{"n": %d}' % n for n in range(60)]
    assert head(rows) == "line.read of run r1, shop@1; 60 rows"
    assert head(rows + rows[:20]).endswith("80 rows; about 25 % of the rows come again")
