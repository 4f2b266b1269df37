"""Does every bad schedule get exactly one finding, at the right place, with what to write?"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.router.lint_finding import Finding
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import GOOD, Folder

DATA = "data: {weeks: [1]}"
DAILY = ("cron: '@daily'", DATA)
FEED = "{every: 1d, triggers: feed.requested, data: {weeks: []}}"
UNTIMED = ("after: {pipeline: orders}", DATA)


class Bad(NamedTuple):
    """The lines of a schedule, of which the first is line 12 of the file; it triggers a root in
    line 11. All begin in column 5."""

    name: str
    lines: tuple[str, ...]
    place: str
    message: str
    remedy: str
    severity: str = "error"
    rest: str = ""
    """What follows at the end of the file."""


def of_cron(name: str, expression: str, column: int, message: str, remedy: str = "30 2") -> Bad:
    """A bad expression; `column` is one within it."""
    line = f'cron: "{expression}"'
    return Bad(name, (line, DATA), f"12:{11 + column}", message, remedy)


def of_data(name: str, data: str, column: int, message: str, remedy: str) -> Bad:
    lines = ("cron: '@daily'", f"data: {data}")
    return Bad(name, lines, f"13:{column}", message, remedy)


CASES = [
    # When
    Bad("nothing says when", (DATA,), "10:3", "does not say when it fires", "add `cron:`"),
    Bad("two times", (*DAILY, "every: 1h"), "14:5", "both `cron:` and `every:`", "keep one"),
    of_cron("four fields", "30 2 * *", 9, "day of the week is missing"),
    of_cron("six fields", "0 30 2 * * *", 12, "more than five fields"),
    of_cron("minute 61", "0,61 * * * *", 3, "61 is not in 0-59"),
    of_cron("a word", "30 2 * * funday", 10, "funday is no value", "mon-fri"),
    of_cron("a long weekday", "30 2 * * monday", 10, "did you mean MON?"),
    of_cron("no value", "30 2 1,,3 * *", 8, "a value is missing"),
    of_cron("a step of nothing", "*/0 * * * *", 3, "a step is 1 to 60"),
    of_cron("an unknown name", "@dayly", 1, "'@daily'"),
    of_cron("a reboot", "@reboot", 1, "no machine that starts"),
    of_cron("an empty expression", "", 1, "write five fields"),
    Bad("31 February", ('cron: "0 0 31 2 *"', DATA), "12:11", "never comes", "a day that a month"),
    Bad("cron as a number", ("cron: 30", DATA), "12:11", "not 30", "in quotes"),
    Bad("every without a unit", ("every: 15", DATA), "12:12", "15 is no duration", "30s, 5m"),
    Bad("every moment", ("every: 10ms", DATA), "12:12", "cannot fire every 10ms", "at least 1s"),
    Bad("every ten years", ("every: 3651d", DATA), "12:12", "longer than ten years", "3650d"),
    Bad("a time long ago", ("at: 1066-10-14", DATA), "12:9", "too far away", "from 1970 to"),
    Bad("a day that is none", ("at: 2026-02-30", DATA), "12:9", "there is no '2026-02-30'", "day"),
    Bad("a time in words", ("at: [tomorrow]", DATA), "12:10", "'tomorrow' is no time", "18:00"),
    Bad(
        "a time that is over",
        ("at: 1999-12-31T23:59", DATA),
        "12:9",
        "no planned time any more",
        "write a later time",
        "warning",
    ),
    Bad(
        "an end that is over",
        (*DAILY, "end: 2001-01-01"),
        "14:10",
        "no planned time any more",
        "a later time",
        "warning",
    ),
    Bad(
        "an end before the start",
        (*DAILY, "start: 2027-01-01", "end: 2026-01-01"),
        "15:10",
        "is not after `start`",
        "a later end",
    ),
    Bad(
        "no time between start and end",
        ('cron: "0 0 1 1 *"', DATA, "start: 2027-02-01", "end: 2027-03-01"),
        "15:10",
        "no planned time between",
        "move the start or the end",
    ),
    Bad("no zone", (*DAILY, "zone: Europe/Pariss"), "14:11", "no time zone", "'Europe/Paris'?"),
    Bad("an abbreviation", (*DAILY, "zone: CEST"), "14:11", "no time zone", "write the place"),
    Bad("an offset", (*DAILY, "zone: '+02:00'"), "14:11", "no time zone", "Europe/Paris, or UTC"),
    Bad(
        "a jitter longer than the interval",
        ("every: 5m", DATA, "jitter: 10m"),
        "14:13",
        "longer than the 5m between two",
        "write at most 5m",
    ),
    Bad(
        "a jitter until after the end of the catch-up",
        ("every: 1h", DATA, "jitter: 30m", "catch_up: {within: 30m}"),
        "14:13",
        "not shorter than `catch_up.within` (30m)",
        "write less than 30m, or a longer `within`",
    ),
    # What
    Bad("no trigger", (), "10:3", "schedule 'nightly' has no 'triggers'", "add `triggers:`"),
    # Days
    Bad("two kinds of days", (*DAILY, "exclude: {holidays: FR, weekdays: sun}"), "14:14",
        "`weekdays:` and `holidays:`", "an item for each"),
    Bad("no kind of days", (*DAILY, "exclude: [{}]"), "14:15", "this one has none", "weekdays"),
    Bad("a misspelled kind", (*DAILY, "exclude: {holiday: FR}"), "14:15", "unknown key 'holiday'",
        "did you mean 'holidays'?"),
    Bad("a long weekday", (*DAILY, "exclude: [{weekdays: [sat, Sunday]}]"), "14:32",
        "'Sunday' is no weekday", "write sun"),
    Bad("holidays of nobody", (*DAILY, "exclude: {holidays: XX}"), "14:25",
        "no holidays are known of 'XX'", "FR or DE-BY"),
    Bad("holidays of no part", (*DAILY, "exclude: [{holidays: DE-XX}]"), "14:26",
        "'XX' in DE", "BY"),
    Bad("an excluded day that is none", (*DAILY, "exclude: {dates: 24.12.2026}"), "14:22",
        "'24.12.2026' is no day", "2026-12-24"),
    Bad("an unknown calendar", (*DAILY, "exclude: {schedule: hourly}"), "14:25",
        "the file does not have", "the schedules are nightly"),
    Bad("itself as a calendar", (*DAILY, "exclude: {schedule: nightly}"), "14:25",
        "is the schedule itself", "another schedule"),
    Bad("calendars of each other", (*DAILY, "exclude: {schedule: other}"), "14:25",
        "nightly → other → nightly", "write the days of one of them out",
        rest="  other: {every: 1d, triggers: feed.requested, data: {weeks: []}, "
             "include: {schedule: nightly}}\n"),
    Bad("all days excluded", ('cron: "0 0 * * sun"', DATA, "exclude: {weekdays: [sat, sun]}"),
        "14:5", "its calendars exclude all", "leave a day over"),
    Bad("only days that are over", (*DAILY, "include: {dates: [1999-01-01]}"), "14:5",
        "its calendars exclude all", "leave a day over"),
    # Policies
    Bad("a misspelled overlap", (*DAILY, "overlap: bufer-one"), "14:14",
        "cannot be 'bufer-one'", "did you mean 'buffer-one'?"),
    Bad("a number for another policy", (*DAILY, "overlap: {skip: 5}"), "14:14",
        "only `buffer-all` has a number", "{buffer-all: 500}"),
    Bad("a cap of nothing", (*DAILY, "overlap: {buffer-all: 0}"), "14:14",
        "0 planned times cannot wait", "from 1 to"),
    Bad("an unknown catch-up", (*DAILY, "catch_up: some"), "14:15", "cannot be 'some'",
        "all, latest or none"),
    Bad("a catch-up of true", (*DAILY, "catch_up: true"), "14:15", "cannot be true", "write all"),
    Bad("a misspelled key of catch-up", (*DAILY, "catch_up: {run: all}"), "14:16",
        "unknown key 'run'", "did you mean 'runs'?"),
    Bad("late ones without late ones", (*DAILY, "catch_up: {runs: none, within: 1h}"), "14:5",
        "nothing fires late", "catch_up: none"),
    Bad("none in a minute", (*DAILY, "catch_up: {per_minute: 0}"), "14:28",
        "greater than or equal to 1", "in that range"),
    Bad("an unknown unknown", (*DAILY, "unknown: guess"), "14:14", "cannot be 'guess'",
        "wait, fire or skip"),
    Bad("paused maybe", (*DAILY, "paused: maybe"), "14:13", "should be a valid boolean", "write"),
    # Data
    of_data("data that do not fit", "{weeks: some}", 11, "'ingest' would refuse", "farandole try"),
    of_data("a field that is missing", "{week: 1}", 11, "weeks: Field required", "farandole try"),
    of_data("text for a number", "{weeks: ['${planned:%V}']}", 11, "would refuse", "try"),
    of_data("an unknown template", "{weeks: ['${planed.week}']}", 21, "no ${planed.week}",
            "known here are planned"),
    of_data("a part of no time", '{weeks: ["${planned.weak}"]}', 21, "no part of a time",
            "did you mean 'week'?"),
    of_data("a template in a text", '{weeks: [1], note: "of ${planned"}', 34, "has no end", "`}`"),
    of_data("a run that is none", '{weeks: ["${run}"]}', 21, "there is no ${run}", "known here"),
    Bad("a template of Airflow", ("cron: '@daily'", "data: {weeks: [1], ds: '{{ ds }}'}"), "13:28",
        "published as it is written", "${planned.date}", "warning"),
    Bad("no data", ("cron: '@daily'",), "11:15", "without `data:` they are null", "write data"),
    # Dependencies
    Bad("nothing to wait for", ("after: {event: feed.requested}", DATA), "12:12",
        "neither a pipeline nor a file", "{pipeline: NAME}"),
    Bad("both to wait for", ("after: {pipeline: a, file: b}", DATA), "12:12", "names both",
        "an item for each"),
    Bad("a pipeline in capitals", ("after: {pipeline: Orders}", DATA), "12:23",
        "no pipeline name", "for example orders"),
    Bad("a misspelled status", ("after: {pipeline: a, status: complete}", DATA), "12:34",
        "cannot be 'complete'", "did you mean 'completed'?"),
    Bad("a status of a file", ("after: {file: a.csv, status: failed}", DATA), "12:26",
        "only for runs of a pipeline", "delete it"),
    Bad("a root that is none", ("after: {pipeline: order-lines, event: line.ingested}", DATA),
        "12:43", "no run of 'order-lines' begins with", "its roots are feed.requested"),
    Bad("the same thing twice", ("after: [{pipeline: a}, {pipeline: a}]", DATA), "12:28",
        "it waits for this twice", "keep one"),
    Bad("a star in a folder", ("after: {file: 'in/*/a.csv'}", DATA), "12:23",
        "only the last part may have a *", "name the folder"),
    Bad("two stars", ("after: {file: 'in/**'}", DATA), "12:23", "there is no **", "write *"),
    Bad("a chain", ("after: {file: 'zip::in/a.zip'}", DATA), "12:23", "cannot be chained",
        "the store alone"),
    Bad("a user in a URL", ("after: {file: 'ftp://me:pw@host/a.csv'}", DATA), "12:19",
        "a user in a URL would be published", "its environment"),
    Bad("a folder", ("after: {file: in/}", DATA), "12:19", "names no file", "in/*.csv"),
    Bad("an unknown protocol", ("after: {file: 's4://b/a.csv'}", DATA), "12:19",
        "fsspec knows no 's4'", "s3"),
    Bad("a package that is not there", ("after: {file: 'oci://b/a.csv'}", DATA), "12:19",
        "the package for oci:// is not installed", "ocifs", "warning"),
    Bad("a folder that is not there", ("after: {file: nowhere/*.csv}", DATA), "12:19",
        "this machine has no folder 'nowhere'", "correct the path", "warning"),
    Bad("its own run", ("after: {pipeline: order-lines}", DATA), "12:12",
        "order-lines/feed.requested → order-lines/feed.requested", "another root"),
    Bad("its own run at a time", (*DAILY, "after: {pipeline: order-lines}"), "14:12",
        "none of them begins by itself", "by hand", "warning"),
    # Keys that decide nothing
    Bad("jitter without a time", (*UNTIMED, "jitter: 5m"), "14:5", "no planned times", "`cron:`"),
    Bad("days without a time", (*UNTIMED, "exclude: {weekdays: sun}"), "14:5",
        "no planned times", "delete it"),
    Bad("a deadline of nothing", (*DAILY, "within: 1h"), "14:5", "waits for nothing", "`after:`"),
    Bad("a deadline of one thing", (*UNTIMED, "otherwise: fire"), "14:5",
        "waits for one thing", "several"),
    Bad("an unknown key", (*DAILY, "timezone: UTC"), "14:5", "unknown key 'timezone'", "known"),
]  # fmt: skip


def findings(folder: Folder, schedules: str) -> list[Finding]:
    return check_topology_file(folder(GOOD + schedules), KafkaNames()).findings


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_a_bad_schedule_is_told_once_where_and_what_helps(bad: Bad, folder: Folder) -> None:
    first = "triggers: feed.requested" if bad.lines else "cron: '@daily'"
    lines = "".join(f"    {line}\n" for line in (first, *bad.lines))
    found = findings(folder, f"schedules:\n  nightly:\n{lines}{bad.rest}")
    assert [f"{f.line}:{f.column}" for f in found] == [bad.place], "\n".join(map(str, found))
    assert bad.message in str(found[0])
    assert bad.remedy in str(found[0])
    assert found[0].severity == bad.severity
    assert "\n" not in str(found[0])


@pytest.mark.parametrize(
    ("schedules", "place", "message", "remedy"),
    [
        ("schedules: []\n", "9:12", "a mapping, not a list", "name: value"),
        ("schedules: {a: '@daily'}\n", "9:16", "a mapping, not '@daily'", "name: value"),
        (f"schedules: {{Nightly: {FEED}}}\n", "9:13", "dashes or underscores", "write 'nightly'"),
        (f"schedules: {{{'x' * 101}: {FEED}}}\n", "9:13", "101 characters", "write 'xxx"),
        ("schedules: {a: {every: 1d, triggers: feed.requestd}}\n",
         "9:38", "to which no stage subscribes", "did you mean 'feed.requested'?"),
        ("schedules: {a: {every: 1d, triggers: line.ingested}}\n",
         "9:38", "stage 'ingest' emits", "the roots of this pipeline are feed.requested"),
        ("schedules: {a: {every: 1d, triggers: 7}}\n", "9:38", "a valid string, not 7", "word"),
        ("schedules: {a: {every: 1d, trigger: feed.requested, data: {weeks: []}}}\n",
         "9:28", "unknown key 'trigger'", "did you mean 'triggers'?"),
        ("schedules: {a: {cron: * * * * *}}\n", "9:24", "an alias in YAML", 'quote it: "* *'),
        ("schedules: {a: {cron: @daily}}\n", "9:23", "begin with @", 'quote it: "@daily"'),
        ("schedules: {a: {data: {n: ${planned}}}}\n", "9:28", "${ inside", 'quote it: "${planned'),
    ],
)  # fmt: skip
def test_so_is_a_schedule_of_another_form(
    schedules: str, place: str, message: str, remedy: str, folder: Folder
) -> None:
    found = findings(folder, schedules)
    assert f"{found[0].line}:{found[0].column}" == place, "\n".join(map(str, found))
    assert message in str(found[0])
    assert remedy in str(found[0])


def test_a_column_is_that_of_the_text_where_nothing_in_it_is_escaped(folder: Folder) -> None:
    escaped = 'schedules: {a: {cron: "\\u0036\\u0031 * * * *", triggers: feed.requested, '
    found = findings(folder, f"{escaped}data: {{weeks: []}}}}}}\n")
    assert [f.column for f in found] == [23]


@pytest.mark.parametrize("key", ["schedule", "scheduels"])
def test_a_misspelt_section_is_the_only_finding(key: str, folder: Folder) -> None:
    (found,) = findings(folder, f"{key}: {{a: {FEED}}}\n")
    assert str(found).endswith(f"unknown key '{key}'; did you mean 'schedules'?")
