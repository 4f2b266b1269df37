"""Which document decides whether a schedule is paused?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.controls_in_force import TimedDocument
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.schedules_in_force import (
    PAUSED_BY_FILE,
    SchedulePause,
    schedule_documents,
    schedule_pause,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def written(*documents: ScheduleDocument) -> list[TimedDocument]:
    return [TimedDocument(each, NOW - HOUR, n) for n, each in enumerate(documents)]


def document(schedule: str = "nightly", *, paused: bool = True, hours: int = 0) -> ScheduleDocument:
    until = NOW + hours * HOUR if hours else None
    return ScheduleDocument(
        pipeline="p", schedule=schedule, paused=paused, until=until, by="ann", comment="moving"
    )


def pause_after(*documents: ScheduleDocument, paused_by_file: bool = False) -> SchedulePause | None:
    found = schedule_documents(written(*documents))
    return schedule_pause(found, "p", "nightly", NOW, paused_by_file=paused_by_file)


def test_without_a_document_the_file_decides() -> None:
    assert pause_after() is None
    assert pause_after(paused_by_file=True) == PAUSED_BY_FILE
    assert pause_after(document("hourly"), document(hours=-1)) is None


def test_a_pause_says_by_which_document() -> None:
    assert pause_after(document(hours=2)) == SchedulePause(
        NOW - HOUR, NOW + 2 * HOUR, "ann", "moving", generation=0
    )
    of_all = pause_after(document(""))
    assert of_all is not None
    assert of_all.of_pipeline


def test_a_document_decides_whatever_the_file_says() -> None:
    assert pause_after(document(paused=False), paused_by_file=True) is None
    # One that has expired leaves it to the file again.
    expired = document(paused=False, hours=-1)
    assert pause_after(expired, paused_by_file=True) == PAUSED_BY_FILE


def test_of_the_schedule_and_its_pipeline_the_newer_document_decides() -> None:
    assert pause_after(document(""), document(paused=False)) is None
    resumed_with_all = pause_after(document(), document("", paused=False))
    assert resumed_with_all is None
    paused_with_all = pause_after(document(paused=False), document(""))
    assert paused_with_all is not None
    assert paused_with_all.of_pipeline
    # A newer one that has expired does not count, and the older one does.
    assert pause_after(document(), document("", paused=False, hours=-1)) is not None


@given(
    st.lists(
        st.builds(
            document,
            st.sampled_from(["", "nightly", "hourly"]),
            paused=st.booleans(),
            hours=st.sampled_from([-1, 0, 1]),
        ),
        max_size=6,
    ),
    st.booleans(),
)
def test_an_older_document_of_a_subject_never_counts(
    documents: list[ScheduleDocument], by_file: bool
) -> None:
    newest = {each.subject: each for each in documents}
    compacted = [each for each in documents if newest[each.subject] is each]
    whole = pause_after(*documents, paused_by_file=by_file)
    kept = pause_after(*compacted, paused_by_file=by_file)
    assert (whole is None) is (kept is None)
