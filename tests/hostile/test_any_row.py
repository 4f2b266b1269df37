"""Can any row in a table of ours stop those who read it?"""

from __future__ import annotations

import asyncio
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from farandole.catalog.ownership import VersionIndex
from farandole.catalog.topology_table import TopologyDecoder
from farandole.events.alert_record import Alert
from farandole.events.control_documents import MuteDocument, PauseDocument, serialize_control
from farandole.events.controls_in_force import ON, StageMode
from farandole.events.drain_document import ACKNOWLEDGEMENT_KEY
from farandole.events.incident_record import Incident, Notice
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Partition
from farandole.events.retry_record import PARKED_PREFIX, REPLAY_PREFIX
from farandole.events.run_row import parse_run_row
from farandole.events.settlement_record import make_settlements, parse_settlement
from farandole.events.shadow_counts import Sample, ShadowCounts, count_name
from farandole.events.topology_version import AlertPolicy, StageSpec, Version
from farandole.lanes.crash_marker import CrashMarker
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.ledger.bookkeeper_lane import BookkeeperLane
from farandole.monitor.entry_measures import measure_entry
from farandole.monitor.window_store import WindowStore
from farandole.notifier import notifier_tables
from farandole.notifier.alert_view import AlertView
from farandole.notifier.incident_store import IncidentStore
from farandole.operations.control.control_query import add_control_record
from farandole.operations.runs.newest_runs import summarize_run
from farandole.operations.status.waiting_events import classify_row
from farandole.worker.candidates.stage_candidates import StageCandidates
from farandole.worker.limits import MAX_STATE_ROW_BYTES
from tests.events.made import Made
from tests.ledger.made import AT, read
from tests.ledger.test_run_store import RUN, closing, opening
from tests.notifier.letters import START
from tests.notifier.made import incident
from tests.worker.made import RETRY, In, Lane, Out, bare, emitted, version
from tests.worker.made_candidate import RUN as CANDIDATE
from tests.worker.made_candidate import MadeCandidates, MadeControls, canary

DEEP = orjson.Fragment(b"[" * 900 + b"]" * 900)  # more than orjson can write
ODD_TEXTS = st.sampled_from(
    ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00", "x" * 300, "a/b", "a@b"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | ODD_TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)


@st.composite
def changed(draw: st.DrawFn, row: Any) -> bytes:
    """A row with one of its values, at any depth, changed or removed; or bytes that are no row."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=20) | JSON.map(orjson.dumps))
    row = deepcopy(row)
    if isinstance(row, dict) and draw(st.integers(0, 4)) == 0:  # what a newer release might add
        row["zz"] = draw(st.sampled_from([DEEP, 2**64 - 1]) | JSON)
        return orjson.dumps(row)
    inside = row
    while True:
        keys = [*inside] if isinstance(inside, dict) else [*range(len(inside))]
        keys = [key for key in keys if key != "format"]  # a newer one is refused
        key = draw(st.sampled_from(keys))
        if isinstance(inside[key], dict | list) and inside[key] and draw(st.integers(0, 3)):
            inside = inside[key]
            continue
        if draw(st.booleans()):
            inside[key] = draw(JSON)
        else:
            del inside[key]
        return orjson.dumps(row)


def loaded(value: bytes | None) -> Any:
    return orjson.loads(value or b"null")


# -- the books

NAMES = KafkaNames()
WHOLE_ROW = read(opening(within=5, fail_above=0.1), closing())[0]
ENTRY = opening(within=5)
ALERT = Alert(
    kind="stage.age", key="p/stage/s/age", pipeline="p", stage="s", text="late",
    since=START, state="firing",
)  # fmt: skip


@given(
    rows=st.dictionaries(st.sampled_from([RUN.encode(), b"b" * 13, b"\xff"]), changed(WHOLE_ROW)),
    state=st.dictionaries(
        st.sampled_from([b"position", b"firing/p/stage/s/age", b"firing/x", b"\xff"]),
        changed(loaded(ALERT.model_dump_json().encode())) | st.sampled_from([b"x", b"7", b"-1"]),
    ),
    entries=st.lists(changed(ENTRY), max_size=2),
)
def test_a_bookkeeper_opens_and_works_with_any_rows(
    rows: dict[bytes, bytes], state: dict[bytes, bytes], entries: list[bytes]
) -> None:
    lane = BookkeeperLane(
        NAMES, 0, "here", clock=lambda: AT, take_conditions=lambda _: (), read_age=lambda: 0.0
    )
    lane.open({NAMES.runs_topic: rows, NAMES.bookkeeper_state_topic: state})
    written = [*entries, orjson.dumps(opening(within=1)), orjson.dumps(closing())]
    records = [SimulatedRecord(NAMES.ledger_topic, 0, 10 + n, v) for n, v in enumerate(written)]
    done = asyncio.run(lane.handle(records))
    lane.on_idle()
    for outgoing in done.writes[Partition(NAMES.runs_topic, 0)]:
        assert outgoing.value is None or parse_run_row(outgoing.value) is not None


@given(changed(WHOLE_ROW))
def test_any_run_row_can_be_listed(value: bytes) -> None:
    found = parse_run_row(value)
    if found is not None:
        orjson.dumps(summarize_run(found))


@given(
    st.lists(changed(ENTRY)),
    st.lists(st.tuples(st.binary(max_size=9) | st.just(b"0/p/s/10/1"), changed([1] * 12))),
)
def test_a_monitor_counts_any_entries_and_loads_any_windows(
    entries: list[bytes], rows: list[tuple[bytes, bytes]]
) -> None:
    store = WindowStore()
    store.load(rows)
    for offset, value in enumerate(entries):
        measure = measure_entry(value, AT)
        if measure is not None:
            store.add(0, offset, measure)
    saved = [*store.take_unsaved(0)]
    again = WindowStore()
    again.load(saved)
    assert len(again.windows) == len(saved)
    orjson.dumps([figures.spans for figures in store.stage_figures(AT / 1000).values()])


# -- the notifier

INCIDENT = loaded(incident(due=START).model_dump_json().encode())
NOTICE = loaded(
    Notice(
        id="a.1@x", incident="a", pipeline="p", kind="opened", subject="s", sender="f@x",
        recipients=("ops@example.com",), mail="To: ops@example.com\n\nx", channels=("email",),
        written=START,
    ).model_dump_json().encode()
)  # fmt: skip


@given(
    incidents=st.lists(changed(INCIDENT), max_size=3),
    notices=st.lists(changed(NOTICE), max_size=3),
    controls=st.lists(
        changed(loaded(serialize_control(MuteDocument(pipeline="p", stage="s", until=START)))),
        max_size=3,
    ),
)
def test_a_notifier_opens_and_works_with_any_rows(
    incidents: list[bytes], notices: list[bytes], controls: list[bytes]
) -> None:
    def keyed(values: list[bytes], model: Any) -> dict[bytes, bytes]:
        """By the keys that the rows ask for, so that they are not skipped for their key."""
        found = {}
        for number, value in enumerate(values):
            try:
                found[model.model_validate_json(value).key] = value
            except ValueError:
                found[b"%d" % number] = value
        return found

    store = IncidentStore(lambda _: AlertPolicy(), lambda intent, others: None)
    store.restore(
        notifier_tables.read_incidents(keyed(incidents, Incident)),
        notifier_tables.read_notices(keyed(notices, Notice)),
        [c for c in notifier_tables.read_controls(controls) if isinstance(c, MuteDocument)],
    )
    store.advance_time(START + timedelta(days=9))
    store.outbox.retry_due(START + timedelta(days=9))
    changes = store.take_changes()
    for row in [] if changes is None else [*changes.incidents.values(), *changes.notices.values()]:
        assert row is None or type(row).model_validate_json(row.model_dump_json()) == row


@given(changed(loaded(ALERT.model_dump_json().encode())), st.integers(-(2**63), 2**63 - 1))
def test_any_alert_is_counted_or_skipped(value: bytes, timestamp: int) -> None:
    store = IncidentStore(lambda _: AlertPolicy(), lambda intent, others: None)
    alert = AlertView.from_record(Made(value, timestamp=timestamp), START)
    if alert is not None:
        store.add_alert(alert)
        store.advance_time(START + timedelta(days=9))


# -- control, topology, retries, settlements, offsets


@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from([b"a", b"b", b"\xff"]),
            st.none()
            | changed(loaded(serialize_control(PauseDocument(pipeline="p", until=START, by="me")))),
            st.integers(-(2**63), 2**63 - 1),
        )
    )
)
def test_a_control_record_is_a_document_or_is_reported(written: list[tuple[Any, Any, int]]) -> None:
    documents: dict[bytes, Any] = {}
    unreadable: dict[bytes, Any] = {}
    for offset, (key, value, timestamp) in enumerate(written):
        before = documents.get(key)
        add_control_record(
            Made(value, key=key, offset=offset, timestamp=timestamp), documents, unreadable
        )
        if key in unreadable:
            assert documents.get(key) == before  # it changes nothing
    for document in documents.values():
        assert document.at <= datetime.now(UTC)


STAGE = StageSpec(run="m:f", subscribes=("in",), emits=("out",))
VERSION = loaded(version(stages={"stage": STAGE}).model_dump_json().encode())


@given(changed(VERSION), st.sampled_from([b"p@1", b"p@2", b"installation", b"p@router", b"\xff"]))
def test_any_row_of_the_topology_is_read_or_foreign(value: bytes, key: bytes) -> None:
    table = TopologyDecoder().decode({key: value})
    for found in table.versions:
        index = VersionIndex([found])
        index.owner_of(bare(offset=3))
        index.owner_of(emitted(3))
        assert Version.model_validate_json(found.model_dump_json()) == found


def copied(event: In) -> Out:
    return Out(n=event.n)


PARKED = {
    "topic": "p.in", "partition": 0, "offset": 3, "timestamp": 5, "sequence": 1, "attempts": 1,
    "first_failed": 5, "last_failed": 6, "since": 5, "due": 7, "error": "E", "message": "m",
    "key": "k", "headers": [["a", "b"], ["c", None]],
}  # fmt: skip
HELD = {"since": "2026-11-24T12:00:00+00:00", "why": "x", "over": "2026-11-24T12:00:01+00:00"}


@given(
    rows=st.dictionaries(
        st.sampled_from([PARKED_PREFIX + b"p.in/0/3", PARKED_PREFIX + b"x", b"held", b"\xff"]),
        changed(PARKED).map(lambda account: account + b'\n{"n":1}') | changed(HELD),
    ),
    replays=st.lists(changed(PARKED).map(lambda account: account + b'\n{"n":1}'), max_size=2),
)
def test_a_lane_opens_and_works_with_any_rows_of_its_retry_topic(
    rows: dict[bytes, bytes], replays: list[bytes]
) -> None:
    now = START.timestamp()
    lane = Lane(copied, clock=lambda: now)
    lane.work.open({RETRY: rows})
    records = [
        SimulatedRecord(RETRY, 0, n, value, REPLAY_PREFIX + b"p.in/0/9")
        for n, value in enumerate(replays)
    ]

    async def work() -> None:
        if records:
            await lane.work.handle(records)
        assert lane.work.deferred is not None
        if due := lane.work.deferred.due():
            await lane.work.handle(due)

    asyncio.run(work())
    for key, value in rows.items():
        classify_row(SimulatedRecord(RETRY, 0, 1, value, key), START)


def _shadow_row() -> dict[str, Any]:
    counts = ShadowCounts(skipped=1, lost=2, errors={"E": 1})
    counts.candidate.add(["a.b"])
    counts.stable.add([])
    counts.candidate_times.add(0.1)
    counts.stable_times.add(0.2)
    counts.add_sample(Sample("a.b", "1", "2", "p.in/0/3"))
    return dict(loaded(counts.to_row()))


@given(changed(_shadow_row()))
def test_any_counts_of_a_shadow_are_counted_on(value: bytes) -> None:
    counts = ShadowCounts.from_row(value)
    counts.lost += 1
    counts.candidate_times.add(1.0)
    count_name(counts.errors, "x" * 10_000)
    row = counts.to_row()
    assert len(row) < MAX_STATE_ROW_BYTES
    assert ShadowCounts.from_row(row) == counts


@given(
    rows=st.dictionaries(
        st.sampled_from(
            [
                b"shadow/7/chosen",
                b"shadow/7/counts",
                b"shadow/%b/chosen" % (b"9" * 5_000),
                b"canary/7/0",
                b"canary/7/%b" % (b"9" * 5_000),
                b"canary/6/1",
                ACKNOWLEDGEMENT_KEY,
                b"throttle/0",
                b"\xff",
            ]
        ),
        st.binary(max_size=20)
        | changed(_shadow_row())
        | st.sampled_from([b"9" * 5_000, b"\x00" * 16, b"1"]),
    ),
    mode=st.sampled_from([ON, canary(), StageMode("shadow", CANDIDATE, generation=7)]),
)
@example(rows={b"shadow/%b/chosen" % (b"9" * 5_000): b"1"}, mode=canary())
def test_a_lane_opens_and_works_with_any_rows_of_its_state(
    rows: dict[bytes, bytes], mode: StageMode
) -> None:
    controls = MadeControls(mode)
    candidates = cast(StageCandidates, MadeCandidates(copied))
    lane = Lane(copied, state="state", controls=controls.of_stage, candidates=candidates)
    lane.work.open({"state": rows})
    done = asyncio.run(lane.work.handle([bare(offset=n, key=b"%d" % n) for n in range(4)]))
    assert done.settled == 4
    lane.work.on_commit(done, {})
    lane.work.on_idle()
    asyncio.run(lane.work.close())


@given(
    changed(loaded(make_settlements([1, 2], "replayed", by="me", at=START, reason="r")[0].value))
)
def test_any_settlement_is_read_or_skipped(value: bytes) -> None:
    found = parse_settlement(value, [("dead_settlement", b"replayed")])
    if found is not None:
        assert (
            parse_settlement(found.model_dump_json().encode(), [("dead_settlement", b"x")]) == found
        )


@given(st.text() | changed({"deaths": 5, "until": 9}).map(lambda raw: raw.decode(errors="replace")))
def test_any_metadata_of_an_offset_are_a_marker(metadata: str) -> None:
    marker = CrashMarker.parse(metadata)
    for each in (marker, marker.started(7), marker.after_settling(7), marker.after_one_deferred()):
        assert CrashMarker.parse(str(each)) == (each if each.deaths else CrashMarker())
    marker.last_in_trial(7)
