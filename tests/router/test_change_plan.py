"""Does a plan say what would change, what drains, and what is dangerous?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from farandole.router import change_plan as planning
from farandole.router import reason_text
from farandole.router.change_plan import ChangePlan, ClusterSnapshot, make_plan
from farandole.router.reason_text import change_lines, change_summary, plan_lines, render_reason
from farandole.router.topic_resolution import resolve_topics
from farandole.router.topology_change import Change, Drain, ReasonCode, UnreadEvents
from farandole.router.topology_derivation import DerivedTopology
from farandole.router.topology_diff import diff_topologies
from farandole.router.version_compatibility import SchemaIncompatibility
from farandole.stages import misfit_text
from farandole.stages.json_schema_compatibility import Misfit, MisfitCode
from tests.router.made import derived

NAMES = KafkaNames()
FILE = """\
pipeline: p
package: work
defaults: {partitions: 4}
events:
  asked: {partitions: 1}
  line.validated: {key: household}
stages:
  validate: {subscribes: asked, emits: line.validated}
  enrich: {subscribes: line.validated, emits: line.enriched}
  load: {subscribes: line.enriched}
"""
SCREENED = FILE.replace(
    "enrich: {subscribes: line.validated",
    "screen: {subscribes: line.validated, emits: line.screened}\n"
    "  enrich: {subscribes: line.screened",
)


def published(file: DerivedTopology, number: int = 7) -> Version:
    return Version(
        pipeline="p",
        version=number,
        installation=UUID(int=0),
        published=datetime(2026, 1, 1, tzinfo=UTC),
        published_by="ann",
        events={
            name: event.model_copy(update={"boundaries": (3,) * event.partitions})
            for name, event in file.events.items()
        },
        stages=dict(file.stages),
        alerts=file.alerts,
        expect=file.expect,
        quality=file.quality,
        flags=file.flags,
        throttle=file.throttle,
        limits=file.limits,
    )


def facts(
    topology: str = FILE, unread: Mapping[tuple[str, str], int] | None = None
) -> ClusterSnapshot:
    """@7 is in force, and so many events wait before these stages, of these types."""
    file = derived(NAMES, topology)
    return ClusterSnapshot(
        versions=(published(file),),
        topics={name: spec.partitions for name, spec in file.topics.items()},
        configs={name: spec.configs for name, spec in file.topics.items()},
        unread=tuple(
            UnreadEvents(stage, event_type, f"p.{event_type}", (7,), count)
            for (stage, event_type), count in (unread or {}).items()
        ),
    )


def planned(topology: str, known: ClusterSnapshot) -> ChangePlan:
    return make_plan(
        resolve_topics(derived(NAMES, topology), known.versions, known.topics, NAMES), known
    )


def test_an_inserted_stage_is_read_like_this() -> None:
    known = facts(unread={("enrich", "line.validated"): 1204})
    assert plan_lines(planned(SCREENED, known)) == [
        "p@7 → p@8",
        "  + stage  screen           subscribes line.validated, emits line.screened",
        "  ~ stage  enrich           subscribes line.validated → line.screened"
        "      (1\u202f204 unread drain under @7)",
        "  + topic  p.line.screened  4 partitions, kept 7d",
        "2 to add, 1 to change, 0 to remove",
    ]


def test_the_first_version_is_all_new() -> None:
    found = planned(FILE, ClusterSnapshot())
    assert plan_lines(found)[0] == "p@1, the first version"
    assert {change.sign for change in found.changes} == {"+"}
    assert found.newest is None
    assert found.publishes


def test_a_file_that_is_in_force_already_changes_nothing() -> None:
    found = planned(FILE, facts())
    assert plan_lines(found) == ["nothing would change: p@7 is in force"]
    assert not found.publishes


def test_what_a_newer_release_has_added_to_a_version_is_no_change() -> None:
    """Otherwise two routers of different releases would publish in turns."""
    file = derived(NAMES, FILE)
    document = published(file).model_dump(mode="json")
    for part in (document, *document["stages"].values(), *document["events"].values()):
        part["invented_later"] = 1
    assert planning.same_content(Version.model_validate(document), file)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("load: {", "load: {timeout: 1m, ", "timeout 30s → 1m"),
        ("load: {", "load: {threads: 2, ", "threads 0 → 2"),
        ("load: {", "load: {processes: 3, ", "processes 1 → 3"),
        ("load: {", "load: {run: 'other:f', ", "run work.load:load → other:f"),
        ("load: {", "load: {retry: {attempts: 9, backoff: 1s}, ", "attempts 3 → 9; backoff 200ms"),
        ("load: {subscribes: line.enriched}", "load: {subscribes: asked}", "line.enriched → asked"),
    ],
)
def test_each_setting_of_a_stage_is_named(before: str, after: str, said: str) -> None:
    (change,) = planned(FILE.replace(before, after), facts()).changes
    assert (change.sign, change.what, change.name) == ("~", "stage", "load")
    assert said in change.said
    assert change.danger is None


@pytest.mark.parametrize(
    ("field", "was", "now", "said"),
    [
        ("when", {}, {"line.enriched": "data.a > 1"}, "when line.enriched: always → data.a > 1"),
        ("parameters", {"a": 1}, {"a": 2, "b": None}, "with a: 1 → 2; with b: not given → None"),
        ("accepts", None, {"title": "Line"}, "reads another schema"),
        (
            "accepts",
            {"properties": {"a": 1, "b": 2}},
            {"properties": {"b": 3, "c": 4}},
            "reads another schema: +c, -a, ~b",
        ),
    ],
)
def test_filters_parameters_and_schemas_of_a_stage_are_named(
    field: str, was: Any, now: Any, said: str
) -> None:
    before, after = derived(NAMES, FILE), derived(NAMES, FILE)
    old, new = [
        replace(file, stages={**file.stages, "load": file.stages["load"].model_copy(update=given)})
        for file, given in ((before, {field: was}), (after, {field: now}))
    ]
    (change,) = diff_topologies(old, new)
    assert change.said == said


def test_another_schema_of_an_event_names_its_fields() -> None:
    def with_schema(properties: dict[str, Any]) -> DerivedTopology:
        file = derived(NAMES, FILE)
        event = file.events["asked"].model_copy(update={"data_schema": {"properties": properties}})
        return replace(file, events={**file.events, "asked": event})

    (change,) = diff_topologies(with_schema({"a": 1}), with_schema({"b": 1}))
    assert str(change) == "~ event asked: schema: +b, -a"


MAIL = FILE + "alerts: {email: ops@b.example}\n"
EXPECT = FILE + "expect: {complete_within: 10m, fail_above: 1%}\n"
THROTTLE = FILE + "throttle: 10/s\nlimits: {crm: 50/s}\n"
FLAG = FILE + "flags: {vip: {type: bool, default: false}}\n"
ROUTE = (
    "{stages: [validate, load], errors: TimeoutError, webhook: 'https://c.example/secret',"
    " email: [a@b.c, d@e.f]}"
)
PACE = "quiet: 1h, digests: 5m, fingerprints: 9, per_hour: 8"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (FILE, MAIL, "+ alerts: +all to ops@b.example"),
        (MAIL, FILE, "- alerts: -all to ops@b.example"),
        (
            MAIL,
            MAIL.replace("ops@", "ann@"),
            "~ alerts: +all to ann@b.example; -all to ops@b.example",
        ),
        (
            MAIL,
            MAIL.replace("b.example}", f"b.example, {PACE}}}"),
            "~ alerts: digests 10m, 1h, 6h, 1d → 5m; quiet 30m → 1h; fingerprints 20 → 9;"
            " per_hour 60 → 8",
        ),
        (
            MAIL,
            MAIL.replace("b.example}", f"b.example, routes: [{ROUTE}]}}"),
            "~ alerts: +validate, load, TimeoutError to webhook at c.example, else a@b.c, d@e.f",
        ),
        (
            FILE + "alerts: {email: ops@b.example, webhook: 'https://c.example'}\n",
            FILE + "alerts: {webhook: 'https://c.example', email: ops@b.example}\n",
            "~ alerts: +all to webhook at c.example, else ops@b.example;"
            " -all to ops@b.example, else webhook at c.example",
        ),
        (FILE, EXPECT, "+ expect: complete_within none → 10m; fail_above none → 1%"),
        (EXPECT, FILE, "- expect: complete_within 10m → none; fail_above 1% → none"),
        (EXPECT, EXPECT.replace("1%", "0.5%"), "~ expect: fail_above 1% → 0.5%"),
        (FILE, FILE + "quality: {sensitivity: low}\n", "+ quality: sensitivity normal → low"),
        (FILE, FILE.replace("  load: {", "  load: {age: 30s, "), "~ stage load: age none → 30s"),
        (FILE, FILE + "throttle: 10/s\n", "+ throttle: 10/s"),
        (FILE + "throttle: 10/s\n", FILE, "- throttle: was 10/s"),
        (THROTTLE, THROTTLE.replace("10/s", "20/m"), "~ throttle: 10/s → 20/m"),
        (FILE, FILE + "limits: {crm: 5/s}\n", "+ limit crm: 5/s"),
        (THROTTLE, THROTTLE.replace("50/s", "0"), "~ limit crm: 50/s → 0"),
        (
            FILE,
            FILE.replace("  load: {", "  load: {throttle: 7/s, "),
            "~ stage load: throttle none → 7/s",
        ),
        (
            FILE.replace("  load: {", "  load: {throttle: 7/s, "),
            FILE.replace("  load: {", "  load: {throttle: {rate: 0, per_key: 3/m}, "),
            "~ stage load: throttle 7/s → 0, per key 3/m",
        ),
        (FILE, FLAG, "+ flag vip: bool, by default false"),
        (FLAG, FILE, "- flag vip: functions that read it get the default in their code"),
        (
            FLAG,
            FLAG.replace("bool, default: false", 'text, default: "a"'),
            '~ flag vip: type bool → text; default false → "a"',
        ),
        (
            FLAG.replace("bool, default: false", "json, default: {a: 1}"),
            FLAG.replace("bool, default: false", "json, default: {a: true}"),
            '~ flag vip: default {"a":1} → {"a":true}',
        ),
    ],
)
def test_other_alerts_or_expectations_alone_are_a_version_and_never_dangerous(
    before: str, after: str, said: str
) -> None:
    found = planned(after, facts(before))
    assert [str(change) for change in found.changes] == [said]
    assert found.publishes
    assert found.dangers == ()
    assert change_summary(found.changes) == re.sub(
        "(stage|flag|limit) ", "", said.partition(":")[0]
    )


def test_routes_in_another_order_are_a_change() -> None:
    routes = ["{stages: load, email: a@b.c}", "{errors: E, email: d@e.f}"]
    one, other = [FILE + f"alerts: {{routes: [{', '.join(r)}]}}\n" for r in (routes, routes[::-1])]
    (change,) = planned(other, facts(one)).changes
    assert str(change) == "~ alerts: routes in another order"


def test_alerts_stand_in_the_columns_of_a_plan() -> None:
    text = MAIL.replace("load: {", "load: {timeout: 1m, ")
    assert plan_lines(planned(text, facts()))[1:] == [
        "  ~ stage   load  timeout 30s → 1m",
        "  + alerts        +all to ops@b.example",
        "1 to add, 1 to change, 0 to remove",
    ]


def test_a_plan_with_alerts_is_the_same_when_it_is_read_from_its_file() -> None:
    found = planned(MAIL, facts())
    assert planning.load_plan(planning.dump_plan(found)) == found


def test_a_stage_that_goes_away_with_unread_events_is_dangerous() -> None:
    without = FILE.replace("  load: {subscribes: line.enriched}\n", "")
    (change,) = planned(without, facts(unread={("load", "line.enriched"): 3})).changes
    assert (change.sign, change.name, change.danger) == ("-", "load", "unread")
    assert change.drains == "3 unread drain under @7"
    (change,) = planned(without, facts()).changes
    assert (change.sign, change.name, change.danger) == ("-", "load", None)


def test_unread_events_are_counted_once_in_a_line() -> None:
    without = FILE.replace("  load: {subscribes: line.enriched}\n", "")
    (line,) = change_lines(
        planned(without, facts(unread={("load", "line.enriched"): 9043})).changes
    )
    assert line.count("9\u202f043") == 1
    assert line.endswith("(--allow unread)      (9\u202f043 unread drain under @7)")


def test_offsets_that_were_not_read_are_an_upper_bound() -> None:
    known = facts(unread={("enrich", "line.validated"): 50_666})
    known = replace(known, unread=tuple(u._replace(at_most=True) for u in known.unread))
    (change,) = [c for c in planned(SCREENED, known).changes if c.name == "enrich"]
    assert change.drains == "up to 50\u202f666 unread drain under @7"


def test_an_event_type_that_goes_away_with_unread_events_is_dangerous() -> None:
    without = FILE.replace(", emits: line.enriched", "").replace(
        "load: {subscribes: line.enriched}", "load: {subscribes: line.validated}"
    )
    found = planned(without, facts(unread={("load", "line.enriched"): 3}))
    assert [c.name for c in found.not_allowed(())] == ["line.enriched"]
    assert found.dangers == ("unread",)
    assert planned(without, facts()).dangers == ()


@pytest.mark.parametrize(
    ("event_type", "dangers"),
    [
        ("line.validated", ("keys",)),
        ("line.enriched", ("keys",)),  # it has its cause's key
        ("asked", ()),
    ],
)
def test_other_partitions_are_dangerous_where_there_are_keys(
    event_type: str, dangers: tuple[str, ...]
) -> None:
    wider = FILE.replace("stages:", "  line.enriched: {}\nstages:")
    wider = wider.replace("asked: {partitions: 1}", "asked: {}").replace(
        f"  {event_type}: {{", f"  {event_type}: {{partitions: 8, "
    )
    wider = wider if event_type == "asked" else wider.replace("asked: {}", "asked: {partitions: 1}")
    found = planned(wider, facts())
    assert found.dangers == dangers
    (change,) = found.changes
    assert f"8 partitions, in p.{event_type}--8" in change.said


def test_a_dangerous_change_names_the_option_that_allows_it() -> None:
    wider = FILE.replace("{key: household}", "{key: household, partitions: 8}")
    found = planned(wider, facts())
    assert plan_lines(found)[1:] == [
        "  ! topic  line.validated  4 → 8 partitions, in p.line.validated--8: events of a key"
        " change their place (--allow keys)",
        "0 to add, 1 to change, 0 to remove, 1 dangerous",
    ]
    assert found.not_allowed(["unread"]) == list(found.changes)
    assert found.not_allowed(["keys"]) == []


def test_another_key_moves_events_and_the_first_key_does_not() -> None:
    other = FILE.replace("key: household", "key: basket")
    assert planned(other, facts()).dangers == ("keys",)
    first = FILE.replace("asked: {partitions: 1}", "asked: {partitions: 1, key: a}")
    assert planned(first, facts()).dangers == ()


def test_a_schema_that_does_not_fit_what_is_unread_is_dangerous(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def found(versions: Any, file: Any, unread: Any) -> list[SchemaIncompatibility]:
        asked.append(unread)
        missing = Misfit("missing", "cents", {"never": True})
        return [SchemaIncompatibility("line.enriched", "load", 7, "backward", (missing,))]

    monkeypatch.setattr(planning, "find_incompatibilities", found)
    known = facts(unread={("load", "line.enriched"): 3})
    (change,) = planned(FILE, known).changes
    assert asked == [{(7, "load", "line.enriched")}]
    assert change.danger == "schema"
    assert change.said == (
        "'load' has unread 'line.enriched' of version 7, and its function no longer reads them:"
        " field 'cents' is missing; let the function read both schemas (a default, a union), or"
        " wait until 'load' has read them"
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "c: {rule: rows, min: 1}", 'check c added: rule "rows", min 1'),
        ("c: {rule: schema}", "", "check c removed"),
        (
            "c: {rule: range, column: cents, min: 0}",
            "c: {rule: range, column: cents, min: 1, severity: reject, description: why}",
            'check c changed: min 0 → 1, severity "warn" → "reject", description',
        ),
        (
            "c: {rule: fresh, within: 90s}",
            "c: {rule: not-null, column: x, share: 99.5%}",
            'check c changed: rule "fresh" → "not-null", within 90s → none, column none → "x",'
            " share none → 99.5%",
        ),
    ],
)
def test_each_check_of_an_event_is_named(before: str, after: str, said: str) -> None:
    def with_checks(checks: str) -> str:
        return FILE.replace("{key: household}", f"{{key: household, checks: {{{checks}}}}}")

    old, new = (derived(NAMES, with_checks(checks)) for checks in (before, after))
    (change,) = diff_topologies(old, new)
    assert (change.sign, change.name, change.said) == ("~", "line.validated", said)
    assert change.danger is None


def test_another_retention_is_a_change_of_the_topic_alone() -> None:
    longer = FILE.replace("{partitions: 1}", "{partitions: 1, retention: 9d}")
    found = planned(longer, facts())
    assert plan_lines(found) == [
        "p@7 stays in force",
        "  ~ topic  p.asked  kept 7d → 9d",
        "0 to add, 1 to change, 0 to remove",
    ]
    assert not found.publishes


def test_a_shorter_retention_is_dangerous_for_what_is_unread() -> None:
    shorter = FILE.replace("{partitions: 1}", "{partitions: 1, retention: 1h}")
    assert planned(shorter, facts()).dangers == ()
    assert planned(shorter, facts(unread={("validate", "asked"): 2})).dangers == ("unread",)


def test_a_plan_is_the_same_when_it_is_read_from_its_file() -> None:
    found = planned(SCREENED, facts(unread={("enrich", "line.validated"): 1204}))
    assert planning.load_plan(planning.dump_plan(found)) == found


def test_a_plan_of_before_there_were_codes_is_read() -> None:
    found = planned(SCREENED, facts(unread={("enrich", "line.validated"): 1204}))
    saved = json.loads(planning.dump_plan(found))
    for change in saved["changes"]:
        del change["reasons"], change["drain"]
    old = planning.load_plan(json.dumps(saved).encode())
    assert [str(change) for change in old.changes] == [str(change) for change in found.changes]
    assert [render_reason(change.reasons[0]) for change in old.changes] == [
        change.said for change in old.changes
    ]


def test_a_change_has_its_reasons_as_data() -> None:
    known = facts(unread={("enrich", "line.validated"): 1204})
    (change,) = [c for c in planned(SCREENED, known).changes if c.sign == "~"]
    (reason,) = change.reasons
    assert reason.code == "setting_changed"
    assert reason.fields == {
        "key": "subscribes",
        "kind": "event_types",
        "was": ["line.validated"],
        "now": ["line.screened"],
    }
    assert change.drain == Drain(events=1204, at_most=False, versions=(7,))


@pytest.mark.parametrize("code", get_args(ReasonCode))
def test_each_code_of_a_reason_has_words(code: str) -> None:
    assert code in reason_text._TEXTS


@pytest.mark.parametrize("code", get_args(MisfitCode))
def test_each_code_of_a_misfit_has_words(code: str) -> None:
    assert code in misfit_text.MISFIT_TEXTS


def test_a_summary_is_short() -> None:
    many = [Change("+", "stage", str(n), "") for n in range(9)]
    assert change_summary(many) == "+ 0, + 1, + 2, + 3, 5 more"
    assert change_summary([]) == "nothing"


_STAGES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.tuples(st.sampled_from(["asked", "told"]), st.sampled_from(["x", "y"]), st.integers(1, 3)),
    min_size=1,
)


def _file(stages: Mapping[str, tuple[str, str, int]]) -> DerivedTopology:
    text = "pipeline: p\npackage: work\nevents: {asked: {}, told: {}}\nstages:\n"
    for name, (subscribes, emits, timeout) in stages.items():
        text += f"  {name}: {{subscribes: {subscribes}, emits: {emits}, timeout: {timeout}s}}\n"
    return derived(NAMES, text)


@given(_STAGES, _STAGES)
def test_there_are_changes_exactly_where_versions_differ(before: Any, after: Any) -> None:
    old, new = published(_file(before)), _file(after)
    found = diff_topologies(old, new)
    assert bool(found) == (not planning.same_content(old, new))
    assert {c.name for c in found if (c.what, c.sign) == ("stage", "+")} == {*after} - {*before}
    assert {c.name for c in found if (c.what, c.sign) == ("stage", "-")} == {*before} - {*after}
    both = {*before} & {*after}
    assert {c.name for c in found if (c.what, c.sign) == ("stage", "~")} == {
        name for name in both if before[name] != after[name]
    }
