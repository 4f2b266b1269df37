"""Does an edit of a topology file change what it is for, and leave every other byte?"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.router.topology_edits import (
    EditRefusedError,
    add_checks,
    add_event,
    insert_stage,
    remove_event,
    remove_stage,
    rewire_stage,
    subscriptions,
)
from farandole.router.yaml_source import read_yaml

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "topology.yaml").read_text()


def data_of(text: str) -> dict[str, Any]:
    document, findings = read_yaml(text.encode(), "")
    assert document is not None
    assert not findings
    return document.data


def changed_lines(before: str, after: str) -> list[str]:
    """Return the lines that were taken away (`- …`) and put in (`+ …`)."""
    compared = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in compared if line[0] in "+-"]


# ---- Files as people write them

COMMENTS = st.sampled_from(["", "", " # why", "  # {a: b} * & ! 'quoted'"])
ABOVE = st.sampled_from(["", "", "\n", "  # above: it\n", "# far left\n\n"])


@st.composite
def subscribes(draw: st.DrawFn, event_types: list[str]) -> str:
    """One or several events, in one of the forms of `subscribes:`."""
    quoted = [draw(st.sampled_from([t, f'"{t}"', f"'{t}'"])) for t in event_types]
    forms = [f"[{', '.join(quoted)}]", f"{{{', '.join(f'{q}: {{}}' for q in quoted)}}}"]
    if len(quoted) == 1:
        forms += quoted * 2
    when = "{when: data.quantity > 0}"
    forms.append(f"[{', '.join([f'{{{quoted[0]}: {when}}}', *quoted[1:]])}]")
    return draw(st.sampled_from(forms))


@st.composite
def block_subscribes(draw: st.DrawFn, event_types: list[str]) -> str:
    lines = [f"\n      - {t}{draw(COMMENTS)}" for t in event_types]
    named = [f"\n      {t}: {{when: data.quantity > 0}}{draw(COMMENTS)}" for t in event_types]
    return "".join(draw(st.sampled_from([lines, named])))


@st.composite
def files(draw: st.DrawFn) -> str:
    """A chain of stages s0, s1, …, where each emits e1, e2, …, written in many ways."""
    count = draw(st.integers(2, 4))
    parts = ["# A file\n", "pipeline: shop", draw(COMMENTS), "\npackage: work\n"]
    if draw(st.booleans()):
        parts.append("events:" + draw(COMMENTS) + "\n")
        parts += [
            f"  e{i}: {{key: id}}{draw(COMMENTS)}\n" for i in range(draw(st.integers(1, count)))
        ]
    if draw(st.integers(0, 4)) == 0:
        inner = ", ".join(
            f"s{i}: {{subscribes: {draw(subscribes([f'e{i}']))}, emits: e{i + 1}}}"
            for i in range(count)
        )
        parts.append(f"stages: {{{inner}}}{draw(COMMENTS)}\n")
    else:
        parts.append("stages:\n")
        for i in range(count):
            inputs = [f"e{i}", "extra"] if draw(st.integers(0, 3)) == 0 else [f"e{i}"]
            parts.append(draw(ABOVE))
            if draw(st.booleans()):
                written = draw(subscribes(inputs))
                parts.append(
                    f"  s{i}: {{subscribes: {written}, emits: e{i + 1}}}{draw(COMMENTS)}\n"
                )
            else:
                written = draw(st.one_of(subscribes(inputs), block_subscribes(inputs)))
                parts.append(f"  s{i}:{draw(COMMENTS)}\n    subscribes: {written}\n")
                parts.append(f"    emits: e{i + 1}{draw(COMMENTS)}\n")
    parts.append(draw(st.sampled_from(["", "\n# the end\n", "alerts: {email: [a@example.com]}\n"])))
    text = "".join(parts)
    text = text if draw(st.booleans()) else text.replace("\n", "\r\n")
    text = text if draw(st.booleans()) else "\ufeff" + text
    return text if draw(st.booleans()) else text.removesuffix("\n").removesuffix("\r")


def others(before: dict[str, Any], *stages: str) -> dict[str, Any]:
    return {n: s for n, s in before["stages"].items() if n not in stages}


@given(files())
def test_a_stage_comes_between_an_event_and_its_reader_and_goes_again(text: str) -> None:
    after = insert_stage(text, "mid", event_type="e1", reader="s1", emits="mid.done")
    was, now = data_of(text), data_of(after)
    assert now["stages"]["mid"] == {"subscribes": "e1", "emits": "mid.done"}
    assert others(now, "mid", "s1") == others(was, "s1")
    assert "mid.done" in str(now["stages"]["s1"]["subscribes"])
    gone = remove_stage(after, "mid", join=True)
    assert gone in (text, text + "\n", text + "\r\n")


@given(files())
def test_a_rewired_stage_can_be_wired_back(text: str) -> None:
    after = rewire_stage(text, "s1", old="e1", new="e0")
    assert str(data_of(after)["stages"]["s1"]) == str(data_of(text)["stages"]["s1"]).replace(
        "e1", "e0"
    )
    assert len(changed_lines(text, after)) <= 2
    assert rewire_stage(after, "s1", old="e0", new="e1") == text


@given(files())
def test_an_input_comes_and_goes(text: str) -> None:
    after = rewire_stage(text, "s1", old=None, new="e0")
    assert others(data_of(after), "s1") == others(data_of(text), "s1")
    back = rewire_stage(after, "s1", old="e0", new=None)
    was, now = data_of(text)["stages"]["s1"], data_of(back)["stages"]["s1"]
    if isinstance(was["subscribes"], str):
        assert now["subscribes"] == [was["subscribes"]]
    else:
        assert now == was
        assert back in (text, text + "\n", text + "\r\n")


@given(files())
def test_a_stage_goes_and_all_other_lines_stay(text: str) -> None:
    after = remove_stage(text, "s1")
    assert data_of(after)["stages"] == others(data_of(text), "s1")
    for comment in ("# above: it", "# far left", "# A file", "# the end"):
        assert after.count(comment) == text.count(comment)
    if "stages: {" not in text:
        assert not [line for line in changed_lines(text, after) if line.startswith("+ ")]


@given(files())
def test_an_event_comes_and_goes(text: str) -> None:
    after = add_event(text, "added", {"partitions": 3})
    assert data_of(after)["events"]["added"] == {"partitions": 3}
    assert data_of(after)["stages"] == data_of(text)["stages"]
    back = remove_event(after, "added")
    if "events" in data_of(text):
        assert back in (text, text + "\n", text + "\r\n")


CHECKS: dict[str, dict[str, Any]] = {
    "here": {"rule": "not-null", "column": "id", "share": "99%"},
    "kind": {"rule": "one-of", "column": "k", "values": ["a: b", 1, True], "description": "# so"},
}


@given(files(), st.sampled_from(["e0", "e1", "new.event"]))
def test_checks_come_to_an_event_and_every_comment_stays(text: str, event_type: str) -> None:
    after = add_checks(text, event_type, CHECKS)
    was, now = data_of(text), data_of(after)
    before = (was.get("events") or {}).get(event_type) or {}
    assert now["events"][event_type] == {**before, "checks": CHECKS}
    assert now["stages"] == was["stages"]
    assert after.count(" # why") == text.count(" # why")
    for line in text.splitlines():
        if not line.lstrip().startswith(event_type):
            assert line in after.splitlines()
    more = add_checks(after, event_type, {"third": {"rule": "schema"}})
    assert data_of(more)["events"][event_type]["checks"].keys() == {*CHECKS, "third"}
    assert [line[2:].strip() for line in changed_lines(after, more) if line[0] == "+"] == [
        "third: {rule: schema}"
    ]


GOOD = [*sorted((Path(__file__).parent / "corpus" / "good").glob("*.yaml"))]


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_each_input_of_each_good_file_can_be_renamed_and_back(file: Path) -> None:
    text = file.read_bytes().decode()
    for stage in data_of(text)["stages"]:
        for event_type in subscriptions(data_of(text), stage):
            after = rewire_stage(text, stage, old=event_type, new="other.event")
            assert "other.event" in subscriptions(data_of(after), stage)
            assert rewire_stage(after, stage, old="other.event", new=event_type) == text


# ---- The shipped file, line by line


def test_a_long_entry_stands_in_several_lines() -> None:
    after = insert_stage(
        SHIPPED, "small", event_type="line.enriched", reader="price", emits="line.small",
        settings={"run": "stages.generic.filter:filter", "with": {"when": "data.quantity < 2000"}},
    )  # fmt: skip
    assert changed_lines(SHIPPED, after) == [
        "+   small:",
        "+     subscribes: line.enriched",
        "+     emits: line.small",
        "+     run: stages.generic.filter:filter",
        "+     with: {when: data.quantity < 2000}",
        "-   price: {subscribes: line.enriched, emits: line.priced}",
        "+   price: {subscribes: line.small, emits: line.priced}",
    ]


def test_a_further_reader_of_an_event_changes_no_other_stage() -> None:
    after = insert_stage(SHIPPED, "audit", event_type="line.priced", reader=None, emits=None)
    assert changed_lines(SHIPPED, after) == ["+   audit: {subscribes: line.priced}"]


def test_the_file_gets_its_section_of_events_above_the_stages() -> None:
    text = "pipeline: a\n# what works\nstages:\n  s: {subscribes: b}\n"
    assert add_event(text, "b", {"partitions": 1}) == (
        "pipeline: a\nevents:\n  b: {partitions: 1}\n\n"
        "# what works\nstages:\n  s: {subscribes: b}\n"
    )


@pytest.mark.parametrize("events", ["events:", "events: # few", "events: {}"])
def test_an_event_comes_into_a_section_that_is_empty(events: str) -> None:
    text = f"pipeline: a\n{events}\nstages:\n  s: {{subscribes: b}}\n"
    assert data_of(add_event(text, "b"))["events"] == {"b": {}}


def test_an_event_in_brackets_gets_a_line_for_each_check() -> None:
    text = (
        "pipeline: a\nevents:\n  b: {key: n, partitions: 1} # few\nstages:\n  s: {subscribes: b}\n"
    )
    assert add_checks(text, "b", CHECKS).splitlines()[1:8] == [
        "events:",
        "  b: # few",
        "    key: n",
        "    partitions: 1",
        "    checks:",
        "      here: {rule: not-null, column: id, share: 99%}",
        '      kind: {rule: one-of, column: k, values: ["a: b", 1, true], description: "# so"}',
    ]


# ---- What is refused

STAGE = "stages:\n  a: {subscribes: b, emits: c}\n  d: {subscribes: c}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("stages:\n\ta: 1\n", "a tab stands where YAML wants spaces"),
        ("stages: &all\n  a: {subscribes: b}\n", "anchors and aliases are not read"),
        (STAGE + "stages: {}\n", "'stages' stands here twice"),
        ("stages:\n  a: {subscribes: b}\n  a: {subscribes: c}\n", "'a' stands here twice"),
        ("stages: [a]\n", "no stages that can be edited"),
        ("stages:\n  a: b\n", "no stages that can be edited"),
        ("pipeline: a\n", "no stages that can be edited"),
        ("events: [a]\n" + STAGE, "`events:` is no mapping"),
    ],
)
def test_a_file_that_cannot_be_edited_is_refused(text: str, reason: str) -> None:
    with pytest.raises(EditRefusedError, match=reason):
        rewire_stage(text, "a", old="b", new="e")


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda: rewire_stage(STAGE, "x", old="b", new="e"), "no stage x"),
        (lambda: rewire_stage(STAGE, "a", old="c", new="e"), "a does not subscribe to c"),
        (lambda: rewire_stage(STAGE, "a", old="b", new=None), "all that a subscribes to"),
        (lambda: rewire_stage(STAGE, "a", old=None, new="b"), "subscribes to b already"),
        (lambda: rewire_stage(STAGE, "a", old="b", new="No Event"), "is no event type"),
        (lambda: insert_stage(STAGE, "a", event_type="c", reader="d", emits="e"), "already"),
        (lambda: insert_stage(STAGE, "No", event_type="c", reader="d", emits="e"), "no stage name"),
        (lambda: insert_stage(STAGE, "m", event_type="c", reader="d", emits=None), "what m emits"),
        (lambda: insert_stage(STAGE, "m", event_type="x", reader=None, emits=None), "names x"),
        (lambda: remove_stage("stages: {a: {subscribes: b}}", "a"), "the only stage"),
        (lambda: remove_event(STAGE, "b"), "has no b"),
        (lambda: add_checks(STAGE, "No Event", CHECKS), "is no event type"),
        (lambda: add_checks("events: {b: {}}\n" + STAGE, "b", CHECKS), "stands in brackets"),
        (
            lambda: add_checks("events: {b: {checks: {here: {}}}}\n" + STAGE, "b", CHECKS),
            "has the check here already",
        ),
        (
            lambda: add_checks("events:\n  b: {key: n, # it\n}\n" + STAGE, "b", CHECKS),
            "comments stand in brackets",
        ),
    ],
)
def test_an_edit_that_means_nothing_is_refused(edit: Any, reason: str) -> None:
    with pytest.raises(EditRefusedError, match=reason):
        edit()
