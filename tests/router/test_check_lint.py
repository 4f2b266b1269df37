"""Does lint say at the right place what is wrong with a check?"""

from __future__ import annotations

import pytest

from farandole.events.check_spec import ROW_RULES, Rule
from farandole.events.kafka_names import KafkaNames
from farandole.router.check_lint import KEYS_OF_RULES
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import Folder

FILE = """\
pipeline: order-lines
package: work
events:
  feed.requested: {{partitions: 1}}
  line.ingested:
    key: household
    checks:
      it: {check}
  line.kept: {{}}
stages:
  ingest: {{subscribes: feed.requested, emits: line.ingested}}
  keep: {{subscribes: line.ingested, emits: line.kept{keep}}}
"""
SOURCE = """\
from typing import Annotated
from pydantic import Field
from work.schemas import *

class Where(BaseModel):
    city: str
    points: list[int]

class Whole(BaseModel):
    household: int
    cents: int | None
    name: Annotated[str, Field(json_schema_extra={"personal": True})]
    color: str
    rate: float
    open: bool
    at: Where
"""
WORK = {
    "whole": SOURCE,
    "ingest": "from work.whole import Whole\ndef ingest(feed: Feed) -> Whole: ...",
    "keep": "from work.whole import Whole\ndef keep(line: Whole) -> Line: ...",
    "judge": "def judge(profile): ...\ndef two(a, b): ...\nasync def late(profile): ...\nx = 3\n"
    "def made(profile): yield 1\ndef share(profile) -> float: ...",
}
NAME, AT = 7, 11
"""The columns at which the check's name and the check begin, in line 8."""


def findings(folder: Folder, check: str, keep: str = "", text: str = FILE) -> list[str]:
    file = folder(text.format(check=check, keep=keep), WORK)
    found = check_topology_file(file, KafkaNames()).findings
    return [str(each).removeprefix(f"{file}:") for each in found]


GOOD = [
    "{rule: not-null, column: cents, severity: reject}",
    "{rule: not-null, column: at.city, severity: park}",
    "{rule: not-null, column: cents, share: 95%, severity: fail}",
    "{rule: range, column: cents, min: 0}",
    "{rule: range, column: rate, max: 1.5, description: a part of one}",
    "{rule: one-of, column: color, values: [red, green]}",
    "{rule: one-of, column: open, values: [true]}",
    "{rule: one-of, column: rate, values: [1, 0.5]}",
    "{rule: pattern, column: color, matches: '[a-z]+'}",
    "{rule: length, column: name, max: 80}",
    "{rule: expression, holds: data.cents > 0 || data.rate == 0}",
    "{rule: unique}",
    "{rule: unique, column: name, severity: fail}",
    "{rule: fresh, within: 1h}",
    "{rule: rows, min: 1, max: 1000, severity: fail}",
    "{rule: rows}",
    "{rule: schema}",
    "{rule: drift, column: cents, max: 0.2, measure: ks, against: history}",
    "{rule: known, column: household, against: line.kept, within: 1d}",
    "{rule: known, column: cents, against: line.kept, field: quantity}",
    "{rule: sum, column: household, against: line.kept, max: 0}",
    "{rule: function, run: 'work.judge:judge', min: 0}",
]


@pytest.mark.parametrize("check", GOOD)
def test_a_check_is_good(folder: Folder, check: str) -> None:
    assert findings(folder, check) == []


def test_each_rule_has_a_good_check() -> None:
    shown = {check.partition("rule: ")[2].split(",")[0].strip("}") for check in GOOD}
    assert shown == set(KEYS_OF_RULES)


@pytest.mark.parametrize(
    (
        "check",
        "said",
    ),
    [
        # Keys
        (
            "{rule: range, min: 0}",
            "the check 'it' has the rule range, which needs 'column'",
        ),
        (
            "{rule: range, column: cents}",
            "the check 'it' has the rule range, which needs 'min' or 'max'; add `min:`",
        ),
        (
            "{rule: range, column: cents, min: 0, ¦values: [1]}",
            "the check 'it' has the rule range, which takes no 'values'; delete it; range "
            "takes `column`, `min`, `max`, `share`",
        ),
        (
            "{rule: schema, ¦share: 5%}",
            "the check 'it' has the rule schema, which takes no 'share'; delete it; schema "
            "takes none",
        ),
        (
            "{rule: sum, column: household}",
            "the check 'it' has the rule sum, which needs 'against'",
        ),
        # Bounds
        (
            "{rule: range, column: cents, min: ¦0, max: -1}",
            "the check 'it' has a `min` (0) that is larger than its `max` (-1)",
        ),
        (
            "{rule: range, column: rate, max: ¦.inf}",
            "'.inf' is no number; write for example 0 or 0.5",
        ),
        (
            "{rule: one-of, column: rate, values: ¦[1, 1e999]}",
            "inf is no number",
        ),
        (
            "{rule: length, column: color, max: ¦1.5}",
            "1.5 is no number of characters; write a whole number from 0 on",
        ),
        (
            "{rule: rows, min: ¦-1}",
            "-1 is no number of rows",
        ),
        (
            "{rule: drift, column: cents, max: ¦-0.1}",
            "-0.1 is less than any distance",
        ),
        # Severities
        (
            "{rule: range, column: cents, min: 0, severity: ¦fail}",
            "range judges each row, and no row can fail a run; write warn, reject or park; "
            "with `share:` it judges all rows of the run",
        ),
        (
            "{rule: range, column: cents, min: 0, share: 99%, severity: ¦reject}",
            "with `share:`, range judges all rows of a run, so there is no row to reject; "
            "write warn, fail or gate",
        ),
        (
            "{rule: schema, severity: ¦park}",
            "schema judges all rows of a run, so there is no row to park",
        ),
        # What is compiled
        (
            "{rule: pattern, column: color, matches: 'a¦(b'}",
            "the regular expression of the check 'it' cannot be used: unclosed group; see https",
        ),
        (
            "{rule: pattern, column: color, matches: '(a)¦\\1'}",
            "the regular expression of the check 'it' cannot be used: backreferences are "
            "not supported",
        ),
        (
            "{rule: pattern, column: color, matches: ¦'(.{1000}){1000}'}",
            "the regular expression of the check 'it' cannot be used: it is too large",
        ),
        (
            "{rule: expression, holds: ¦cents > 0}",
            "`cents > 0` cannot be a condition: it names 'cents', which is not data; write "
            "`data.cents`",
        ),
        (
            "{rule: expression, holds: ¦'data.color > 3'}",
            "`data.color > 3` cannot be a condition: `>` does not work with text and an integer",
        ),
        (
            "{rule: expression, holds: ¦'data.cent > 3'}",
            "'line.ingested' never has the field 'cent' that `data.cent > 3` asks for; did "
            "you mean 'cents'?",
        ),
        (
            "{rule: expression, holds: ¦'attributes.source == data.color'}",
            "`attributes.source == data.color` cannot be a condition: it names "
            "'attributes', which is not data",
        ),
        (
            "{rule: expression, holds: ¦''}",
            "`holds:` is no expression",
        ),
        # Columns
        (
            "{rule: not-null, column: ¦cent}",
            "'line.ingested' never has the field 'cent' that the check 'it' asks for; did "
            "you mean 'cents'?",
        ),
        (
            "{rule: not-null, column: ¦at.town}",
            "'line.ingested' never has the field 'town' that the check 'it' asks for; its "
            "fields are city, points",
        ),
        (
            "{rule: not-null, column: ¦at.points.x}",
            "'line.ingested' never has the field 'x' that the check 'it' asks for; what is "
            "there is no object",
        ),
        (
            "{rule: not-null, column: ¦at..city}",
            "'at..city' is no path of a field",
        ),
        (
            "{rule: range, column: ¦color, min: 0}",
            "range is about numbers, and 'color' of 'line.ingested' is text; name another "
            "column, or take another rule",
        ),
        (
            "{rule: pattern, column: ¦cents, matches: x}",
            "pattern is about texts, and 'cents' of 'line.ingested' is integer",
        ),
        (
            "{rule: length, column: ¦at.points, max: 3}",
            "length is about texts, and 'at.points' of 'line.ingested' is array",
        ),
        (
            "{rule: one-of, column: color, values: ¦[1, red]}",
            "'color' of 'line.ingested' is text, so it is never 1; write values of that "
            "type, texts in quotes",
        ),
        (
            "{rule: one-of, column: cents, values: ¦[0.5, 1, true]}",
            "'cents' of 'line.ingested' is integer, so it is never 0.5 or True",
        ),
        (
            "{rule: one-of, column: color, values: ¦[red, null]}",
            "warning: null is among the values of the check 'it'",
        ),
        (
            "{rule: one-of, column: name, values: ¦[Ada]}",
            "warning: 'name' of 'line.ingested' is personal, and these values of it stand "
            "in the file",
        ),
        # What is compared
        (
            "{rule: known, column: household, against: ¦line.keptt}",
            "there is no event type 'line.keptt' with which the check 'it' could compare; "
            "did you mean 'line.kept'?",
        ),
        (
            "{rule: known, column: household, against: ¦line.ingested}",
            "the check 'it' compares 'line.ingested' with itself",
        ),
        (
            "{rule: drift, column: cents, against: ¦line.kept}",
            "drift compares a run with the runs before it, and with no 'line.kept'; write history",
        ),
        (
            "{rule: sum, column: cents, against: ¦line.kept}",
            "'line.kept' has no field 'cents' with which the check 'it' could compare; add "
            "`field:` with its name there: its fields are household, quantity",
        ),
        (
            "{rule: sum, column: cents, against: line.kept, field: ¦price}",
            "'line.kept' never has the field 'price' that the check 'it' asks for",
        ),
        # Functions
        (
            "{rule: function, run: ¦'work.judge:jugde'}",
            "work/judge.py has no function 'jugde'; did you mean 'judge'?",
        ),
        (
            "{rule: function, run: ¦'work.jugde:judge'}",
            "there is no work/jugde.py",
        ),
        (
            "{rule: function, run: ¦'work.judge:x'}",
            "'x' in work/judge.py is no function but int",
        ),
        (
            "{rule: function, run: ¦'work.judge:two'}",
            "work/judge.py:3: work.judge:two cannot be a check: missing a required "
            "argument: 'b'; write `def two(profile)`",
        ),
        (
            "{rule: function, run: ¦'work.judge:late'}",
            "work.judge:late cannot be a check: it is an `async def`",
        ),
        (
            "{rule: function, run: ¦'work.judge:made'}",
            "work.judge:made cannot be a check: it has a `yield`",
        ),
        (
            "{rule: function, run: ¦'work.judge:share'}",
            "work.judge:share returns a number, and the check has neither `min` nor `max`",
        ),
        # Gates
        (
            "{rule: unique, severity: ¦gate}",
            "the check 'it' is a gate, and no stage behind 'line.ingested' waits for it; "
            "give a stage behind it `gate: true`, for example 'keep'",
        ),
    ],
)
def test_a_wrong_check_has_one_finding(folder: Folder, check: str, said: str) -> None:
    """It is at `¦`, or at the name of the check."""
    place = AT + check.index("¦") if "¦" in check else NAME
    found = findings(folder, check.replace("¦", ""))
    assert len(found) == 1, found
    assert found[0].startswith(f"8:{place}: {said}")


@pytest.mark.parametrize("severity", ["reject", "park"])
def test_nobody_can_reject_what_nobody_reads(folder: Folder, severity: str) -> None:
    text = FILE.replace(
        "  line.kept: {{}}",
        f"  line.kept: {{{{checks: {{{{it: {{{{rule: not-null, column: household, severity: "
        f"{severity}}}}}}}}}}}}}",
    )
    found = findings(folder, GOOD[0], text=text)
    assert found == [
        f"9:74: nobody could {severity} a row: no stage subscribes to 'line.kept'; write warn, or "
        "let a stage subscribe to it"
    ]


def test_nobody_can_reject_what_a_program_of_others_reads(folder: Folder) -> None:
    check = "{rule: not-null, column: household, severity: reject}"
    lone = "{{subscribes: line.ingested, external: true}}"
    text = FILE.replace("{{subscribes: line.ingested, emits: line.kept{keep}}}", lone).replace(
        "  line.kept: {{}}\n", ""
    )
    (said,) = findings(folder, check, text=text)
    assert said.startswith("8:57: a program of yours works 'keep', and gets each row before")
    text += "  load: {{subscribes: line.ingested}}\n"
    WORK["load"] = "from work.whole import Whole\ndef load(line: Whole) -> None: ..."
    (said,) = findings(folder, check, text=text)
    assert said.startswith("8:57: warning: a program of yours works 'keep'")


def test_a_gate_and_a_stage_that_waits_belong_together(folder: Folder) -> None:
    assert findings(folder, "{rule: unique, severity: gate}", ", gate: true") == []
    assert findings(folder, "{rule: unique, severity: fail}", ", gate: true") == [
        "12:55: warning: stage 'keep' waits until all before it is worked, and no check of what "
        "comes to it has the severity gate; add `severity: gate` to a check, or delete `gate`"
    ]


def test_a_gate_knows_no_windows(folder: Folder) -> None:
    text = FILE.replace("    key: household\n", "    key: household\n    profile: {{per: 10m}}\n")
    (said,) = findings(folder, "{rule: unique, severity: gate}", ", gate: true", text)
    assert "is profiled in windows of 600 s, and a gate lets through, or stops, a run" in said


def test_nothing_is_upstream_of_a_root(folder: Folder) -> None:
    text = FILE.replace("emits: line.ingested}}", "emits: line.ingested, gate: true}}")
    found = findings(folder, "{rule: unique}", text=text)
    assert (
        "11:62: stage 'ingest' reads 'feed.requested', which opens runs: nothing is upstream "
        in (found[0])
    )


def test_a_stage_that_is_upstream_of_itself_would_wait_for_itself(folder: Folder) -> None:
    text = FILE.replace("emits: line.kept{keep}}}", "emits: line.again, gate: true}}").replace(
        "line.kept: {{}}", "line.again: {{key: household}}"
    )
    text += "  back: {{subscribes: line.again, emits: line.ingested}}\n"
    WORK["back"] = WORK["ingest"].replace("ingest(feed: Feed)", "back(line: Line)")
    found = findings(folder, "{rule: unique, severity: gate}", text=text)
    assert any("stage 'keep' is upstream of itself, and would wait for itself" in f for f in found)


@pytest.mark.parametrize(
    "rule",
    [
        "drift, column: cents",
        "rows",
        "rows, against: history",
        "known, column: household, against: line.kept, within: 1d",
    ],
)
def test_no_gate_waits_for_what_is_known_after_the_end(folder: Folder, rule: str) -> None:
    (said,) = findings(folder, f"{{rule: {rule}, severity: gate}}", ", gate: true")
    assert "compares a run with those before it, which is known once the run has ended" in said


def test_an_external_stage_waits_for_no_gate(folder: Folder) -> None:
    text = FILE.replace("{{subscribes: line.ingested, emits: line.kept{keep}}}",
                        "{{subscribes: line.ingested, external: true, gate: true}}")  # fmt: skip
    found = findings(folder, "{rule: unique, severity: gate}", text=text)
    assert any("'gate' does nothing here: a program of yours works the stage" in f for f in found)


def test_a_column_of_a_root_may_be_one_that_nobody_reads(folder: Folder) -> None:
    check = "{rule: unique}"
    text = FILE.replace(
        "{{partitions: 1}}",
        "{{partitions: 1, checks: {{more: {{rule: not-null, column: other}}}}}}",
    )
    (said,) = findings(folder, check, text=text)
    assert said.startswith("4:75: warning: no stage reads a field 'other' of 'feed.requested'")


def test_a_sensitivity_means_something_only_where_data_are_profiled(folder: Folder) -> None:
    text = FILE + "quality: {{sensitivity: low}}\n"
    assert findings(folder, "{rule: unique}", text=text) == []
    unchecked = text.replace("    checks:\n      it: {check}\n", "")
    (said,) = findings(folder, "", text=unchecked)
    assert said.startswith("11:1: warning: nothing is compared: no event type is profiled")
    profiled = unchecked.replace("  line.kept: {{}}", "  line.kept: {{profile: true}}")
    assert findings(folder, "", text=profiled) == []


@pytest.mark.parametrize("name", ["Price", "1st", "a b", "a--b", "x" * 101])
def test_a_name_that_is_none_is_refused(folder: Folder, name: str) -> None:
    text = FILE.replace("      it: ", f"      {name}: ")
    (said,) = findings(folder, "{rule: unique}", text=text)
    assert said.startswith("8:7: ")


def test_an_event_type_has_no_more_checks_than_are_counted(folder: Folder) -> None:
    text = FILE.replace(
        "      it: {check}\n", "".join(f"      c{n}: {{check}}\n" for n in range(101))
    )
    found = findings(folder, "{rule: unique}", text=text)
    assert found[0].startswith("7:5: 'line.ingested' has 101 checks, and there may be 100")


def test_only_rules_of_rows_take_a_share() -> None:
    taking: set[Rule] = {rule for rule, keys in KEYS_OF_RULES.items() if "share" in keys.known}
    assert taking == ROW_RULES


@pytest.mark.parametrize("windowed", ["line.ingested", "line.kept"])
def test_what_is_kept_in_windows_is_not_known_in_one_run(folder: Folder, windowed: str) -> None:
    text = FILE.replace("  line.kept: {{}}", "  line.kept: {{profile: {{per: 10m}}}}")
    if windowed == "line.ingested":
        text = FILE.replace("    key: household", "    key: household\n    profile: {{per: 10m}}")
    known = "{rule: known, column: household, against: line.kept"
    (said,) = findings(folder, known + "}", text=text)
    assert (
        f"{windowed!r} is profiled in windows of 600 s, and the check 'it' compares what is in one"
        " run; write `profile: true` for it, or add `within:`"
    ) in said
    assert findings(folder, known + ", within: 1d}", text=text) == []
    (said,) = findings(folder, "{rule: sum, column: household, against: line.kept}", text=text)
    assert said.endswith("write `profile: true` for it")


def test_values_are_not_known_for_longer_than_the_history_is_kept(folder: Folder) -> None:
    known = "{rule: known, column: household, against: line.kept, within: 91d}"
    (said,) = findings(folder, known)
    assert "what runs had is known for 90d, and the check 'it' asks for 91d; write at most" in said


def test_what_a_check_compares_with_is_profiled(folder: Folder) -> None:
    check = "{rule: sum, column: household, against: line.kept}"
    checked = check_topology_file(folder(FILE.format(check=check, keep=""), WORK), KafkaNames())
    assert checked.topology is not None
    derived = derive_topology(checked.topology, checked.signatures, KafkaNames())
    assert derived.events["line.kept"].is_profiled
    assert not derived.events["feed.requested"].is_profiled
