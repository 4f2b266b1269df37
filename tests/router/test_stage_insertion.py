"""Does a new stage leave all other bytes of a file as they are?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.router.stage_insertion import NoPlaceError, insert_stage
from farandole.router.yaml_source import read_yaml

ROOT = Path(__file__).parents[2]
FILES = [
    *sorted((Path(__file__).parent / "corpus" / "good").glob("*.yaml")),
    ROOT / "topology.yaml",
    *sorted((ROOT / "examples").glob("*/topology.yaml")),
]
SETTINGS = {"subscribes": "order.placed", "emits": "order.shipped"}
ENTRY = "ship: {subscribes: order.placed, emits: order.shipped}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_one_line_is_added_and_the_others_stay(file: Path) -> None:
    before = file.read_bytes().splitlines(keepends=True)
    after = insert_stage(file.read_bytes(), "ship", SETTINGS).splitlines(keepends=True)
    (new,) = (number for number, line in enumerate(after) if ENTRY.encode() in line)
    del after[new]
    assert after == before


@pytest.mark.parametrize(
    "result",
    [
        "stages:\n  a: {subscribes: b}\n  ENTRY\n",
        "stages:\n    a: {subscribes: b}\n    ENTRY\n",
        "stages:\n  a: # first\n    subscribes: b # yes\n  ENTRY\n\n# whom to tell\nalerts: {}\n",
        "stages:\n  a:\n    subscribes:\n    - b\n    - c\n  ENTRY\nevents: {b: }\n",
        "stages:\n  a:\n    with:\n      text: |\n        two\n        lines\n  ENTRY\nevents:\n",
        "stages: {a: {subscribes: b}, ENTRY} # all\n",
        "stages: {\n  a: {subscribes: b}, ENTRY\n  }\n",
        "stages: {a: {subscribes: b}, ENTRY, }\n",
        "events: {stages: }\nstages:\n  a: {}\n  ENTRY\n",
    ],
)
def test_it_is_written_as_the_file_is(result: str) -> None:
    text = re.sub(r"\n +ENTRY(?=\n)|, ENTRY", "", result)
    assert insert_stage(text.encode(), "ship", SETTINGS).decode() == result.replace("ENTRY", ENTRY)


def test_a_last_line_that_does_not_end_is_ended() -> None:
    changed = insert_stage(b"stages:\n  a: {subscribes: b}", "ship", SETTINGS)
    assert changed.decode() == f"stages:\n  a: {{subscribes: b}}\n  {ENTRY}\n"


@pytest.mark.parametrize("text", ["stages: {}\n", "stages: {a: 1, ship: 2}\n"])
def test_a_file_without_a_place_is_refused(text: str) -> None:
    with pytest.raises(NoPlaceError, match="by hand"):
        insert_stage(text.encode(), "ship", SETTINGS)


@given(st.sampled_from(["null", "1.5", "true", "on", "1e3", "a.b", "0", "no", "a-b", "1-2"]))
def test_a_name_that_looks_like_something_else_stays_a_text(name: str) -> None:
    changed = insert_stage(b"stages:\n  a: {subscribes: b}\n", "ship", {"subscribes": name})
    document, _ = read_yaml(changed, "")
    assert document is not None
    assert document.data["stages"]["ship"] == {"subscribes": name}
