"""Does lint know the flags of a file, and those that its functions read?"""

from __future__ import annotations

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import GOOD, Folder

FLAGS = GOOD + "flags:\n  vip: {type: bool, default: false}\n  most: {type: int, default: 3}\n"
READS_BOTH = 'context.flag("vip", False), context.flag("most", default=1)'


def load(body: str) -> dict[str, str]:
    return {"load": f"def load(lines: list[Line], context: Context) -> None:\n    {body}"}


def findings(folder: Folder, topology: str, functions: dict[str, str]) -> list[str]:
    file = folder(topology, functions)
    found = check_topology_file(file, KafkaNames()).findings
    return [str(each).removeprefix(f"{file}:") for each in found]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (READS_BOTH, ""),
        ("[e.flag('vip', True) for e in context.events], context.events[0].flag('most', 2)", ""),
        (f"name = 'x'; context.flag(name, 1), context.other('y', 2), {READS_BOTH}", ""),
        (
            f"context.flag('vipp', True), {READS_BOTH}",
            "8:3: stage 'load' reads the flag 'vipp' (work.load, line 3), which the file does not "
            "have; did you mean 'vip'?",
        ),
        (
            f"context.events[0].flag('other', 1), {READS_BOTH}",
            "8:3: stage 'load' reads the flag 'other' (work.load, line 3), which the file does not "
            "have; add it: `flags: {other: …}`",
        ),
        (
            "context.flag('vip', 0), context.flag('most', 1)",
            "8:3: stage 'load' reads the bool flag 'vip' with a default of another type "
            "(work.load, line 3): 0 is no bool (true or false); give both the same type",
        ),
        (
            "context.flag('vip', False)",
            "11:3: warning: no function reads the flag 'most'; read it by `context.flag`, or "
            "delete it",
        ),
    ],
)
def test_functions_read_flags_that_the_file_has(folder: Folder, body: str, said: str) -> None:
    assert findings(folder, FLAGS, load(body)) == [said] * bool(said)


def test_a_read_in_a_function_that_the_stage_calls_is_found(folder: Folder) -> None:
    functions = load("helped(context)")
    functions["load"] += (
        "\ndef helped(context: 'Context | None') -> bool:\n"
        f"    return context.flag('vpi', True), {READS_BOTH}"
    )
    (said,) = findings(folder, FLAGS, functions)
    assert "reads the flag 'vpi' (work.load, line 5)" in said


def test_a_flag_that_a_helping_module_names_is_read(folder: Folder) -> None:
    functions = load("from work import helping; helping.read(context)")
    functions["load"] = f"import work.helping\n{functions['load']}"
    functions["helping"] = f"def read(context: Context) -> None:\n    {READS_BOTH}"
    assert findings(folder, FLAGS, functions) == []


@pytest.mark.parametrize(
    ("kind", "default", "said"),
    [
        ("bool", "1", "1 is no bool (true or false)"),
        ("int", "1.0", "1.0 is no int"),
        ("int", "true", "true is no int"),
        ("float", "'1'", '"1" is no float'),
        ("text", "1", "1 is no text"),
        ("text", "'" + 70_000 * "x" + "'", "it has more than 64 KiB"),
    ],
)
def test_a_default_has_the_type_of_its_flag(
    folder: Folder, kind: str, default: str, said: str
) -> None:
    topology = GOOD + f"flags: {{most: {{type: {kind}, default: {default}}}}}\n"
    found = findings(folder, topology, load("context.flag('most', None)"))
    assert f"9:36: the default of the {kind} flag 'most': {said}; change one of the two" in (
        line.replace("9:35:", "9:36:").replace("9:37:", "9:36:").replace("9:38:", "9:36:")
        for line in found
    )


def test_a_version_has_the_flags_of_its_file(folder: Folder) -> None:
    topology = GOOD + "flags: {rate: {type: float, default: 2, description: Of all.}}\n"
    checked = check_topology_file(folder(topology, load("context.flag('rate', 1)")), KafkaNames())
    assert checked.topology is not None
    flags = derive_topology(checked.topology, checked.signatures, KafkaNames()).flags
    assert {name: flag.model_dump() for name, flag in flags.items()} == {
        "rate": {"type": "float", "default": 2.0, "description": "Of all."}
    }
    assert type(flags["rate"].default) is float
