"""Does the reader take whatever it is given, and know where everything stands?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from farandole.router import file_model, file_values, yaml_source
from farandole.router.yaml_source import SourceMark

WORDS = st.sampled_from(
    ["pipeline", "stages", "events", ":", " ", "\n", "  ", "{", "}", "[", "]", "- ", "a", "'", '"',
     "&a", "*a", "!!", "|", ">", "?", "#", "%", "\t", "\r", "---", "...", "<<", ",", "1", "~",
     "subscribes", "emits", "retry", "\x85", "\u2028", "\ufeff"]
)  # fmt: skip


def read(raw: bytes) -> None:
    found, findings = yaml_source.read_yaml(raw, "topology.yaml")
    assert found is not None or findings
    for finding in findings:
        assert finding.line >= 1
        assert finding.column >= 1
    if found is not None:
        written, wrong = file_model.read_topology_file(found)
        assert written is not None or wrong


@settings(deadline=None)
@given(st.text())
@example("\ud800")
def test_any_text_gives_a_file_or_findings(text: str) -> None:
    read(text.encode("utf-8", "surrogatepass"))


@settings(deadline=None)  # the speed of the parser is not what is tested
@given(st.lists(WORDS, max_size=30).map("".join))
@example("[" * 3_000)
@example("{a: " * 3_000)
@example("a: " + "9" * 10_000)
@example("%YAML 1.1\n---\na: 1")
@example("%TAG ! x\n--- !a\na: 1")
@example("- " * 2_000)
@example("\x00")
def test_any_text_that_looks_like_yaml_gives_a_file_or_findings(text: str) -> None:
    read(text.encode())


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_give_a_file_or_findings(raw: bytes) -> None:
    read(raw)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NAMES = st.sampled_from(
    ["pipeline", "package", "defaults", "events", "stages", "subscribes", "emits", "retry",
     "timeout", "partitions", "key", "a", "attempts", "run"]
)  # fmt: skip
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, DATA))
@example({"pipeline": "a", "stages": {"a": None}})
@example({"pipeline": "a", "events": {"a": []}, "stages": {"a": {"subscribes": "a"}}})
def test_any_data_gives_a_form_or_findings(data: dict[str, Any]) -> None:
    written, findings = file_model.read_topology_file(
        yaml_source.YamlDocument("topology.yaml", data, {}, {})
    )
    assert written is not None or findings


def test_every_key_and_value_has_its_place() -> None:
    raw = b"a: 1\nb:\n  - c\n  - {d: e}\n"
    found, findings = yaml_source.read_yaml(raw, "topology.yaml")
    assert found is not None
    assert findings == []
    assert found.data == {"a": 1, "b": ["c", {"d": "e"}]}
    assert found.keys == {
        ("a",): SourceMark(1, 1), ("b",): SourceMark(2, 1), ("b", 1, "d"): SourceMark(4, 6),
    }  # fmt: skip
    assert found.values[("b", 0)] == SourceMark(3, 5)
    assert found.values[("b", 1, "d")] == SourceMark(4, 9)


def test_the_first_of_two_equal_keys_counts() -> None:
    found, findings = yaml_source.read_yaml(b"a: {x: 1}\na: {x: 2, y: 3}\nb: 4\n", "topology.yaml")
    assert found is not None
    assert found.data == {"a": {"x": 1}, "b": 4}
    assert found.values[("a", "x")] == SourceMark(1, 8)
    assert len(findings) == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [("on", "on"), ("012", 12), ("no", "no"), ("~", None), ("", None), ("true", True),
     ("'1'", "1"), ("-3", -3), ("1e3", 1000.0), (".5", 0.5), ("1.5.2", "1.5.2"), ("0x1f", "0x1f"),
     ("12:30", "12:30")],
)  # fmt: skip
def test_words_mean_what_yaml_1_2_says(written: str, meant: object) -> None:
    """Sixteens and eights, which no setting here needs, stay words."""
    found, _ = yaml_source.read_yaml(f"a: {written}".encode(), "topology.yaml")
    assert found is not None
    assert found.data == {"a": meant}
    assert type(found.data["a"]) is type(meant)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("200ms", 0.2), ("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604_800), ("1.5s", 1.5)],
)
def test_a_duration_has_a_unit(written: str, meant: float) -> None:
    assert file_values.parse_duration(written) == meant
