"""Does every bad file get a finding at the right place, with a remedy, and never a traceback?"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import GOOD, Folder

LONG = "x" * 240


@dataclass(frozen=True)
class Bad:
    name: str
    file: str | bytes
    place: str
    message: str
    remedy: str
    functions: dict[str, str] = field(default_factory=dict)
    severity: str = "error"


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def stages(*lines: str) -> str:
    return "\n".join(["pipeline: p", "package: work", "events: {a: }", "stages:", *lines, ""])


CASES = [
    # The file as YAML
    Bad("empty", "", "1:1", "the file is empty", "write at least"),
    Bad("only a comment", "# later\n", "1:1", "the file is empty", "write at least"),
    Bad("not UTF-8", b"pipeline: a\nstages: \xff", "2:9", "not UTF-8", "encoding UTF-8"),
    Bad("UTF-16", "pipeline: a".encode("utf-16"), "1:1", "not UTF-8", "encoding UTF-8"),
    Bad("a control character", "pipeline: a\nb: \x01", "2:4", "U+0001", "delete it"),
    Bad("indented with tabs", "stages:\n\ta: b", "2:1", "a tab", "indent with spaces"),
    Bad("an open bracket", "stages: {a: [b", "1:15", "breaks off", "brackets"),
    Bad("an open quote", "pipeline: 'a\n", "2:1", "begun in line 1", "check colons"),
    Bad("two colons", "pipeline: a: b\n", "1:12", "mapping values", "check colons"),
    Bad("two documents", GOOD + "---\n" + GOOD, "9:1", "several documents", "one pipeline a file"),
    Bad("an alias", "pipeline: &a x\nstages: *a", "1:11", "anchors", "write the value out"),
    Bad(
        "an alias bomb",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "1:4",
        "anchors",
        "write the value out",
    ),
    Bad("a tag", "pipeline: !!python/name:os.system x", "1:11", "tag", "delete it"),
    Bad("a list", "- pipeline: a\n", "1:1", "not a mapping", "begin with `pipeline:"),
    Bad("a list as a key", "? [a]\n: b\n", "1:3", "a list stands where a key", "quote it"),
    Bad("very deep", "a: " + "[" * 100, "1:23", "20 levels deep", "flatter"),
    Bad("very large", "#" * 300_000, "1:1", "300\u202f000 bytes", "split"),
    Bad(
        "a stage twice",
        GOOD + "  load: {subscribes: feed.requested}\n",
        "9:3",
        "'load' stands here twice, first in line 8",
        "keep one",
    ),
    # The form
    Bad("no pipeline", changed("pipeline: order-lines\n", ""), "1:1", "no 'pipeline'", "add `pip"),
    Bad("no stages", "pipeline: a\n", "1:1", "no 'stages'", "add `stages:`"),
    Bad("empty stages", "pipeline: a\nstages: {}\n", "2:9", "'stages' is empty", "at least one"),
    Bad("stages as a list", "pipeline: a\nstages: [b]\n", "2:9", "a mapping, not a list", "name"),
    Bad(
        "a misspelled key at the top",
        changed("package:", "pakage:"),
        "2:1",
        "unknown key 'pakage'",
        "did you mean 'package'?",
    ),
    Bad("an unknown key", GOOD + "sensors: {}\n", "9:1", "unknown key 'sensors'", "known here"),
    Bad(
        "a misspelled key in a stage",
        changed("load: {subscribes", "load: {subscribe"),
        "8:10",
        "unknown key 'subscribe'",
        "did you mean 'subscribes'?",
    ),
    Bad(
        "a misspelled key in retry",
        GOOD + "defaults: {retry: {atempts: 3}}\n",
        "9:20",
        "unknown key 'atempts'",
        "did you mean 'attempts'?",
    ),
    Bad(
        "no subscribes",
        changed("load: {subscribes: line.ingested}", "load: {}"),
        "8:3",
        "stage 'load' has no 'subscribes'",
        "add `subscribes:`",
    ),
    Bad(
        "a duration without a unit",
        GOOD + "defaults: {timeout: 30}\n",
        "9:21",
        "30 is no duration",
        "200ms, 30s",
    ),
    Bad(
        "a time-out of nothing",
        GOOD + "defaults: {timeout: 0s}\n",
        "9:21",
        "the duration is 0",
        "longer",
    ),
    Bad(
        "partitions as text",
        changed("{partitions: 1}", "{partitions: '1'}"),
        "4:32",
        "a valid integer, not '1'",
        "without quotes",
    ),
    Bad(
        "no partitions at all",
        changed("{partitions: 1}", "{partitions: 0}"),
        "4:32",
        "greater than or equal to 1",
        "in that range",
    ),
    Bad(
        "backoff longer than its limit",
        GOOD + "defaults: {retry: {backoff: 1m}}\n",
        "9:29",
        "backoff (60 s) is longer than max_backoff (10 s)",
        "max_backoff",
    ),
    Bad(
        "an event type that is a number",
        changed("subscribes: line.ingested", "subscribes: [7]"),
        "8:23",
        "'subscribes': should be a valid string, not 7",
        "in quotes",
    ),
    Bad(
        "run without a function",
        changed("load: {", "load: {run: work.load, "),
        "8:15",
        "'work.load' names no function",
        "`package.module:function`",
    ),
    # Names
    Bad(
        "an uppercase pipeline",
        changed("order-lines", "Order_Lines"),
        "1:11",
        "no pipeline name",
        "write 'order-lines'",
    ),
    Bad(
        "the reserved pipeline",
        changed("order-lines", "farandole"),
        "1:11",
        "reserved",
        "choose another",
    ),
    Bad(
        "an underscore in an event type",
        GOOD.replace("line.ingested", "line_ingested"),
        "5:3",
        "no event type",
        "write 'line-ingested'",
    ),
    Bad(
        "a reserved suffix",
        GOOD.replace("line.ingested", "line.dead"),
        "5:3",
        "end in '.dead'",
        "choose another ending",
    ),
    Bad(
        "a stage with a dot",
        changed("load:", "load.lines:"),
        "8:3",
        "no stage name",
        "write 'load_lines'",
    ),
    Bad(
        "a topic that is too long for Kafka",
        GOOD.replace("line.ingested", LONG),
        "5:3",
        "Kafka takes 249",
        "shorten the name",
    ),
    Bad(
        "a stage whose retry topic is too long",
        changed("load:", f"{LONG}:"),
        "8:3",
        "retry topic of this stage would have 258",
        "shorten the name",
    ),
    Bad(
        "two stages that one module would serve",
        stages("  to-sql: {subscribes: a}", "  to_sql: {subscribes: a}"),
        "6:3",
        "'to_sql' and 'to-sql' differ in dashes",
        "rename one",
        {"to_sql": "def to_sql(line: Line) -> None: ..."},
    ),
    Bad(
        "an input named twice",
        stages("  load: {subscribes: [a, a]}"),
        "5:26",
        "subscribes 'a' twice",
        "keep one",
    ),
    # The graph
    Bad(
        "an event that nobody emits",
        changed("load: {subscribes: line.ingested}", "load: {subscribes: line.ingestd}"),
        "8:22",
        "'line.ingestd', which nobody emits",
        "did you mean 'line.ingested'?",
    ),
    Bad(
        "an undeclared root",
        changed("  feed.requested: {partitions: 1}\n", ""),
        "6:24",
        "'feed.requested', which nobody emits",
        "declare it under `events:`",
    ),
    Bad(
        "an event that nobody uses",
        changed("events:\n", "events:\n  till.opened:\n"),
        "4:3",
        "nobody emits 'till.opened'",
        "name it in a stage",
        severity="warning",
    ),
    Bad(
        "nothing can begin",
        stages("  validate: {subscribes: b, emits: b}"),
        "4:1",
        "nothing can ever begin",
        "nobody emits",
    ),
    Bad(
        "a stage that feeds itself",
        stages("  validate: {subscribes: [a, b], emits: b}"),
        "5:26",
        "validate → b → validate",
        "another event type",
    ),
    Bad(
        "a long cycle",
        stages(
            "  load: {subscribes: a}",
            "  one: {subscribes: [a, d], emits: b, run: work.validate:validate}",
            "  two: {subscribes: b, emits: c, run: work.validate:validate}",
            "  three: {subscribes: c, emits: d, run: work.validate:validate}",
        ),
        "6:21",
        "one → b → two → c → three → d → one",
        "another event type",
    ),
    Bad(
        "unequal partitions of two inputs",
        "pipeline: p\npackage: work\nevents: {a: {partitions: 2}, b: }\n"
        "stages:\n  load: {subscribes: [a, b]}\n",
        "5:26",
        "'a' has 2, 'b' has 4",
        "the same number",
    ),
    # The functions
    Bad(
        "no package",
        changed("package: work\n", ""),
        "6:3",
        "where the function of stage 'ingest' is",
        "add `package:`",
    ),
    Bad(
        "a module that is not there",
        changed("load:", "lood:"),
        "8:3",
        "there is no work/lood.py",
        "did you mean 'load'?",
    ),
    Bad(
        "a package that is not there",
        changed("package: work", "package: works.here"),
        "7:3",
        "there is no works/here/ingest.py",
        "create it",
    ),
    Bad(
        "a function that is not there",
        changed("load: {", "load: {run: work.load:laod, "),
        "8:15",
        "work/load.py has no function 'laod'",
        "did you mean 'load'?",
    ),
    Bad(
        "something that is no function",
        GOOD,
        "8:3",
        "'load' in work/load.py is no function but int",
        "write `def load",
        {"load": "load = 1"},
    ),
    Bad(
        "a module that does not parse",
        GOOD,
        "8:3",
        "work/load.py:2: SyntaxError",
        "correct that line",
        {"load": "def load(:"},
    ),
    Bad(
        "a module that raises",
        GOOD,
        "8:3",
        "work/load.py:3: ZeroDivisionError: division by zero",
        "correct that line",
        {"load": "x = 1\ny = 1 / 0"},
    ),
    Bad(
        "a module that imports what is not installed",
        GOOD,
        "8:3",
        "work/load.py:2: ModuleNotFoundError: No module named 'nowhere'",
        "correct that line",
        {"load": "import nowhere"},
    ),
    Bad(
        "a module that exits",
        GOOD,
        "8:3",
        "work/load.py:2: SystemExit: 3",
        "correct that line",
        {"load": "raise SystemExit(3)"},
    ),
    Bad(
        "a function without annotations",
        GOOD,
        "8:3",
        "work.load:load cannot be a stage",
        "annotate `line` with the event's schema",
        {"load": "def load(line): ..."},
    ),
    Bad(
        "a signature that nobody can read",
        GOOD,
        "8:3",
        "work.load:load",
        "",
        {"load": "import typing\ndef load(lines: typing.List) -> typing.Iterator: ..."},
    ),
    Bad(
        "a type that has no JSON Schema",
        GOOD,
        "8:3",
        "has no JSON Schema",
        "use a pydantic model",
        {"load": "class Odd: ...\ndef load(odd: Odd) -> None: ..."},
    ),
    Bad(
        "threads for an async function",
        changed("load: {", "load: {threads: 2, "),
        "8:10",
        "an `async def`, which runs in no thread",
        "write it as a `def`",
        {"load": "async def load(line: Line) -> None: ..."},
    ),
    Bad(
        "a result that goes nowhere",
        changed(", emits: line.ingested", ""),
        "7:3",
        "returns Line, but emits nothing",
        "add `emits:`",
    ),
    Bad(
        "an output that nobody returns",
        changed("line.ingested}\n", "line.ingested, emits: loaded}\n").replace(
            "ingest: {subscribes: feed.requested, emits: line.ingested, emits: loaded}",
            "ingest: {subscribes: feed.requested, emits: line.ingested}",
        ),
        "8:44",
        "emits loaded, but its function returns None",
        "delete `emits`",
    ),
    Bad(
        "one schema for two outputs",
        changed("emits: line.ingested", "emits: [line.ingested, line.odd]"),
        "7:47",
        "nobody can tell which is which",
        "return `To[Line]`",
    ),
    Bad(
        "three schemas for two outputs",
        changed("emits: line.ingested", "emits: [line.ingested, line.odd]"),
        "7:47",
        "emits 2 event types, but returns 3 schemas (Line | Priced | Noted)",
        "one event type for each schema",
        {"ingest": "def ingest(feed: Feed) -> Iterator[Line | Priced | Noted]: ..."},
    ),
    # The schemas
    Bad(
        "a field that nobody writes",
        GOOD,
        "8:22",
        "'ingest' writes Line, 'load' takes Priced: field 'cents' is missing",
        "change one of the two schemas",
        {"load": "def load(line: Priced) -> None: ..."},
    ),
    Bad(
        "a field of another type",
        GOOD,
        "8:22",
        "field 'quantity' is string, not integer",
        "change one of the two schemas",
        {"ingest": "def ingest(feed: Feed) -> Iterator[Noted]: ..."},
    ),
    Bad(
        "a key that is no field",
        changed("key: household", "key: houshold"),
        "5:24",
        "the key 'houshold' is no field of Line",
        "did you mean 'household'?",
    ),
    Bad(
        "a key in something that has no fields",
        changed("key: household", "key: id"),
        "5:24",
        "the key 'id' is no field of int",
        "delete `key`",
        {
            "ingest": "def ingest(feed: Feed) -> Iterator[int]: ...",
            "load": "def load(line: int) -> None: ...",
        },
    ),
]

CASES += [
    Bad(f"expect: {name}", f"{GOOD}expect: {written}\n", f"9:{column}", message, remedy)
    for name, written, column, message, remedy in (
        ("a duration", "10m", 9, "a mapping, not '10m'", "`name: value`"),
        ("a number", "{complete_within: 600}", 27, "600 is no duration", "for example 200ms"),
        ("no time", "{complete_within: 0s}", 27, "is 0", "longer"),
        ("a misspelled key", "{complete_in: 1m}", 10, "unknown key", "complete_within"),
        ("a share without a sign", "{fail_above: 0.01}", 22, "0.01 is no share", "1%"),
        ("more than all", "{fail_above: 101%}", 22, "'101%' is no share", "1%"),
    )
]
CASES += [
    Bad(f"alerts: {name}", f"{GOOD}alerts: {{{written}}}\n", f"9:{column}", message, remedy)
    for name, written, column, message, remedy in (
        ("nobody", "", 1, "`alerts:` tells nobody", "add `email:`"),
        ("nobody, but slowly", "quiet: 1h", 1, "`alerts:` tells nobody", "add `email:`"),
        ("a misspelled key", "emial: a@b.example", 10, "unknown key 'emial'", "mean 'email'?"),
        ("no address", "email: ops", 17, "'ops' is no mail address", "write for example ops@"),
        ("a number", "email: [a@b.example, 5]", 31, "not 5", "write a word"),
        ("an empty list", "email: []", 17, "'email' is empty", "name at least one"),
        ("no list", "email: {a: b}", 17, "an address or a list of them, not a mapping", "[ops@"),
        (
            "a display name",
            "email: [a@b.example, Ann <ann@b.example>]",
            31,
            "has a display name",
            "write the address alone: ann@b.example",
        ),
        ("two in one", "email: 'a@b.example, c@d.example'", 17, "several addresses", "a list"),
        ("a header", 'email: "a@b.example\\nBcc: c@d"', 17, "a control character", "delete it"),
        ("no ASCII", "email: ann@bücher.example", 17, "not every mail server", "`xn--`"),
        ("too long", f"email: a@{'.'.join(['b' * 60] * 5)}", 17, "more than 254", "a shorter"),
        ("one twice", "email: [a@b.example, a@b.example]", 31, "here twice", "keep one"),
        ("no scheme", "webhook: alerts.example.com", 19, "is no webhook", "https://"),
        ("another scheme", "webhook: 'ftp://b.example'", 19, "is no webhook", "https://"),
        ("no host", "webhook: 'https:///hook'", 19, "has no host", "https://"),
        ("a port too large", "webhook: 'http://b:65536'", 19, "posted to", "https://"),
        ("a space", "webhook: 'https://b.example/a b'", 19, "holds a space", "%20"),
        ("a password", "webhook: 'https://a:b@c.example'", 19, "names a user", "published"),
        ("a digest of 0", "email: a@b.example, digests: [10m, 0s]", 45, "is 0", "longer"),
        ("a digest of 5", "email: a@b.example, digests: 5", 39, "a duration or a list", "10m, 1h"),
        (
            "a severity of an unknown kind",
            "email: a@b.example, severity: {stage.hled: page}",
            41,
            "no kind of incident 'stage.hled'",
            "did you mean 'stage.held'?",
        ),
        (
            "an unknown severity",
            "email: a@b.example, severity: {dead: urgent}",
            47,
            "'page', 'notify' or 'digest'",
            "",
        ),
        ("a digest at no time", "email: a@b.example, digest_at: 25:00 UTC", 41, "no time", "06:00"),
        (
            "a digest in no zone",
            "email: a@b.example, digest_at: '09:00'",
            41,
            "no time zone",
            "UTC",
        ),
        (
            "a digest in an unknown zone",
            "email: a@b.example, digest_at: [09:00 UTC, 09:00 Europe/Berlim]",
            53,
            "no time zone of the IANA database",
            "did you mean Europe/Berlin?",
        ),
        (
            "a route of an unknown kind",
            "routes: [{kinds: stage.hled, email: a@b.example}]",
            27,
            "no kind of incident",
            "did you mean",
        ),
        (
            "a route of an unknown severity",
            "routes: [{severity: urgent, email: a@b.example}]",
            30,
            "'page', 'notify' or 'digest'",
            "",
        ),
        (
            "a route of one severity twice",
            "routes: [{severity: [page, page], email: a@b.example}]",
            37,
            "here twice",
            "keep one",
        ),
        (
            "quiet hours without a zone",
            "routes: [{quiet: '22:00-06:00', email: a@b.example}]",
            27,
            "names no time zone",
            "Europe/Berlin",
        ),
        (
            "quiet hours of no length",
            "routes: [{quiet: 22:00-22:00 UTC, email: a@b.example}]",
            27,
            "begins and ends at 22:00",
            "two times",
        ),
        (
            "quiet hours without an end",
            "routes: [{quiet: 22:00 UTC, email: a@b.example}]",
            27,
            "no time of the day from and to",
            "22:00-06:00",
        ),
        (
            "one step",
            "routes: [{email: a@b.example, escalate: {after: 5m, email: b@b.example}}]",
            50,
            "is no list",
            "with a dash",
        ),
        (
            "a step to nobody",
            "routes: [{email: a@b.example, escalate: [{after: 5m}]}]",
            51,
            "the step tells nobody",
            "add `email:`",
        ),
        (
            "a step without a time",
            "routes: [{email: a@b.example, escalate: [{email: b@b.example}]}]",
            51,
            "has no 'after'",
            "add `after:`",
        ),
        (
            "a step to no address",
            "routes: [{email: a@b.example, escalate: [{after: 5m, email: bob}]}]",
            70,
            "no mail address",
            "ops@",
        ),
        (
            "a step before the last one",
            "routes: [{email: a@b.example, escalate: [{after: 9m, email: b@b.example},"
            " {after: 5m, email: c@b.example}]}]",
            92,
            "not after the one before",
            "longer than 9m",
        ),
        (
            "a chain that is not there",
            "routes: [{email: a@b.example, repeat: 5m}]",
            40,
            "does not have",
            "add `escalate:`",
        ),
        (
            "a chain that takes all notices of an hour",
            "routes: [{email: a@b.example, escalate: [{after: 5m, email: b@b.example}],"
            " repeat: 60s}]",
            93,
            "limits to 60",
            "longer than 1m",
        ),
        ("no route", "routes: []", 18, "'routes' is empty", "at least one"),
        ("one route", "routes: {email: a@b.example}", 18, "is no list", "begin each route"),
        ("a route to nobody", "routes: [{stages: load}]", 19, "tells nobody", "add `email:`"),
        (
            "a misspelled stage",
            "routes: [{stages: [load, ingset], email: a@b.example}]",
            35,
            "no stage is called 'ingset'",
            "did you mean 'ingest'?",
        ),
        (
            "an unknown stage",
            "routes: [{stages: x, email: a@b.example}]",
            28,
            "no stage is called 'x'",
            "the stages are ingest, load",
        ),
        (
            "a misspelled key in a route",
            "routes: [{stage: load, email: a@b.example}]",
            20,
            "unknown key 'stage'",
            "did you mean 'stages'?",
        ),
        (
            "an error with its module",
            "routes: [{errors: requests.ConnectionError, email: a@b.example}]",
            28,
            "no name of an exception",
            "write the class alone: ConnectionError",
        ),
    )
]
CASES += [
    Bad(
        f"alerts: {name} is never used",
        f"{GOOD}alerts:\n  routes:\n    - {first}\n    - {second}\n{rest}",
        place,
        "never used",
        remedy,
        severity="warning",
    )
    for name, first, second, rest, place, remedy in (
        (
            "a route after one that takes everything",
            "{email: a@b.example}",
            "{stages: load, email: b@b.example}",
            "",
            "12:7",
            "move it before",
        ),
        (
            "a route for some of what one before takes",
            "{stages: [ingest, load], errors: [A, B], email: a@b.example}",
            "{stages: [load], errors: [A], email: b@b.example}",
            "",
            "12:7",
            "move it before",
        ),
        (
            "a kind whose severity another route takes",
            "{severity: [page, notify], email: a@b.example}",
            "{kinds: stage.held, email: b@b.example}",
            "",
            "12:7",
            "move it before",
        ),
        (
            "what is left by two routes that share all stages",
            "{stages: ingest, email: a@b.example}",
            "{stages: load, email: b@b.example}",
            "  webhook: https://b.example\n",
            "13:3",
            "delete it",
        ),
    )
]


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_a_bad_file_is_told_where_and_what_helps(bad: Bad, folder: Folder) -> None:
    file = folder(bad.file, bad.functions)
    checked = check_topology_file(file, KafkaNames())
    found = [
        f
        for f in checked.findings
        if f"{f.line}:{f.column}" == bad.place and bad.message in f.message
    ]
    assert found, "\n".join(map(str, checked.findings)) or "no finding at all"
    assert bad.remedy in found[0].remedy
    assert found[0].severity == bad.severity
    assert checked.is_fit is (bad.severity == "warning")
    assert str(found[0]).startswith(f"{file}:{bad.place}: ")
    assert "\n" not in str(found[0])


def test_a_good_file_has_no_findings(folder: Folder) -> None:
    checked = check_topology_file(folder(), KafkaNames())
    assert checked.findings == []
    assert checked.is_fit


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{stages: load, email: a@b.example}", "{email: b@b.example}"),
        ("{errors: A, email: a@b.example}", "{stages: load, email: b@b.example}"),
        ("{errors: A, email: a@b.example}", "{errors: [A, B], email: b@b.example}"),
        ("{stages: load, errors: A, email: a@b.example}", "{errors: A, email: b@b.example}"),
    ],
)
def test_a_route_that_takes_something_of_its_own_is_no_finding(
    first: str, second: str, folder: Folder
) -> None:
    routes = f"alerts:\n  email: ops@b.example\n  routes:\n    - {first}\n    - {second}\n"
    found = check_topology_file(folder(GOOD + routes), KafkaNames()).findings
    assert [str(f) for f in found if f.line == 13] == []


def test_a_mistake_in_the_alerts_hides_no_other(folder: Folder) -> None:
    file = folder(changed("emits: line.ingested", "emits: []") + "alerts: {email: 5}\n")
    assert {f.line for f in check_topology_file(file, KafkaNames()).findings} > {9}


def test_a_file_that_is_not_there_is_a_finding(folder: Folder) -> None:
    (finding,) = check_topology_file(folder().with_name("other.yaml"), KafkaNames()).findings
    assert "cannot be read (No such file or directory)" in finding.message


def test_a_folder_of_stages_may_be_a_package(folder: Folder) -> None:
    file = folder()
    (file.parent / "stages").mkdir()
    (file.parent / "stages" / "__init__.py").touch()
    assert check_topology_file(file, KafkaNames()).is_fit


def test_all_findings_come_at_once_and_by_line(folder: Folder) -> None:
    """A misspelled key does not hide an unknown event, nor a missing module."""
    file = folder(
        "pipeline: Order\npackage: work\nevents: {a: {partitons: 1}}\nstages:\n"
        "  load: {subscribe: a, timeout: 5}\n  nowhere: {subscribes: b}\n"
    )
    findings = check_topology_file(file, KafkaNames()).findings
    assert [(f.line, f.column) for f in findings] == [
        (1, 11), (3, 14), (5, 10), (5, 33), (6, 3), (6, 25),
    ]  # fmt: skip


def test_the_namespace_counts_towards_the_length_of_a_topic(folder: Folder) -> None:
    file = folder(GOOD.replace("line.ingested", "x" * 230))
    assert check_topology_file(file, KafkaNames()).is_fit
    assert "shorten" in check_topology_file(file, KafkaNames("a-namespace")).findings[0].remedy


def test_outputs_that_name_themselves_fit_by_any_of_their_schemas(folder: Folder) -> None:
    file = folder(
        GOOD.replace("emits: line.ingested", "emits: [line.ingested, note.written]"),
        {"ingest": "def ingest(feed: Feed) -> Iterator[To[Line | Feed]]: ..."},
    )
    assert check_topology_file(file, KafkaNames()).findings == []


def test_a_finding_is_plain_data_too(folder: Folder) -> None:
    (finding,) = check_topology_file(folder(""), KafkaNames()).findings
    assert finding.as_json()["line"] == 1
    assert finding.as_json()["severity"] == "error"
    assert finding.as_json()["code"] == "yaml"


def test_each_finding_names_the_rule_that_found_it(folder: Folder) -> None:
    file = folder(GOOD.replace("emits: line.ingested", "emits: [line.ingested, Note]"))
    codes = [finding.code for finding in check_topology_file(file, KafkaNames()).findings]
    assert "event_names" in codes
    assert all(codes)
