"""Does lint find a way with whatever stands in a schedule, and can what it accepts be planned?"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.kafka_names import KafkaNames
from farandole.router import file_model
from farandole.router.lint import lint_topology
from farandole.router.lint_finding import error_findings
from farandole.router.topology_derivation import derive_topology
from farandole.router.yaml_source import YamlDocument
from farandole.scheduler.calendar_days import exclusion
from farandole.scheduler.recurrence import END_OF_TIME, firing_time, planned_between
from farandole.scheduler.time_zones import load_zone
from farandole.scheduler.trigger_data import TemplateError, TemplateValues, render

NOW = datetime(2026, 11, 30, tzinfo=UTC)
TEXTS = (
    "* * * * *", "0 0 29 2 *", "*/7 1-3 L * fri#5", "0 0 31 2 *", "@daily", "@x", "61 * * * *",
    "1s", "5m", "36500d", "99999999999d", "0s", "1ms", "2026-12-24", "2026-02-30", "0001-01-01",
    "2999-12-31T23:59", "9999-12-31", "2026-03-29T02:30", "2026-10-25T02:30+14:00", "mon", "sun",
    "Europe/Paris", "Pacific/Apia", "UTC", "Etc/Nowhere", "skip", "buffer-all", "all", "none",
    "wait", "fire", "any", "completed", "FR", "DE-BY", "XX-", "a", "b", "asked", "line.read", "",
    "in/*.csv", "s3://b/*", "*/a", "${planned}", "${planned - 999999w}", "${previous:%Y}", "${run}",
    "x ${file.size}", "${after.1.file}", "${", "${planned:%Q}",
)  # fmt: skip
SCALARS = st.sampled_from(TEXTS) | st.none() | st.booleans() | st.integers(-1, 20_000)
CALENDAR_KEYS = ("dates", "weekdays", "holidays", "schedule")
DEPENDENCY_KEYS = ("pipeline", "event", "status", "file", "every", "existing")
KEYS = (
    "cron", "every", "at", "zone", "jitter", "start", "end", "exclude", "include", "overlap",
    "unknown", "catch_up", "after", "within", "otherwise", "paused", "data", "description",
)  # fmt: skip


def some(keys: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(keys), values, max_size=3)


WORDS = SCALARS | st.lists(SCALARS, max_size=3)
INNER = some((*CALENDAR_KEYS, *DEPENDENCY_KEYS, "runs", "per_minute", "buffer-all"), WORDS)
SCHEDULE = st.dictionaries(
    st.sampled_from(KEYS), WORDS | INNER | st.lists(INNER, max_size=3), max_size=6
)


def checked(schedules: Any) -> tuple[file_model.TopologyFile | None, bool]:
    """The file as far as it can be read, and whether it may be applied."""
    data = {
        "pipeline": "p",
        "package": "work",
        "events": {"asked": None},
        "stages": {"load": {"subscribes": "asked"}},
        "schedules": schedules,
    }
    document = YamlDocument("topology.yaml", data, {}, {})
    topology, findings = file_model.read_topology_file(document)
    if topology is not None:
        findings += lint_topology(document, topology, {}, KafkaNames())
    return topology, topology is not None and not error_findings(findings)


@given(st.dictionaries(st.sampled_from(("a", "b", "B")), SCHEDULE | SCALARS, max_size=2) | SCALARS)
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_schedule_gives_findings(schedules: Any) -> None:
    checked(schedules)


def render_problem(data: Any, values: TemplateValues) -> str:
    """Why the data cannot be rendered; "missing" if a value in a text is, as nothing has come."""
    try:
        render(data, values)
    except TemplateError as error:
        return "missing" if "there is nothing for" in str(error) else str(error)
    return ""


LIKELY = st.fixed_dictionaries(
    {"cron": st.sampled_from(("@daily", "*/7 1-3 L * fri#5", "0 0 29 2 *", "0 4 1 jan-feb *"))},
    optional={
        "zone": st.sampled_from(("Europe/Paris", "Pacific/Apia", "Africa/Cairo")),
        "jitter": st.sampled_from(("1s", "5m", "0s")),
        "start": st.sampled_from(("2026-03-29T02:30", "2026-10-25T02:30+14:00", "2300-01-01")),
        "end": st.sampled_from(("2300-01-02", "2999-12-31T23:59")),
        "exclude": some(CALENDAR_KEYS[:2], st.sampled_from(("2026-12-24", "sun", "mon"))),
        "include": some(CALENDAR_KEYS[2:], st.sampled_from(("FR", "DE-BY"))),
        "after": st.sampled_from(({"file": "in/*"}, {"pipeline": "q"})),
        "data": st.sampled_from([text for text in TEXTS if "$" in text])
        | st.lists(st.sampled_from(TEXTS)),
    },
)


@given(LIKELY)
@settings(max_examples=150, deadline=None)
def test_what_is_accepted_can_be_planned(written: dict[str, Any]) -> None:
    topology, is_fit = checked({"a": {**written, "triggers": "asked"}})
    if topology is None or not is_fit:
        return
    schedules = derive_topology(topology, {}, KafkaNames()).schedules
    spec = schedules["a"]
    for planned in islice(planned_between(spec, NOW, END_OF_TIME, 3), 3):
        assert firing_time("p", "a", spec, planned) >= planned
        exclusion(spec, planned, schedules)
        values = TemplateValues("p", "a", planned, None, load_zone(spec.zone))
        assert render_problem(spec.data, values) in ("", "missing")
