"""What does `doctor` print, and when is its exit code 1?"""

from __future__ import annotations

import json

from tests.cli.conftest import Call


def test_a_fault_is_shown_with_what_to_do_and_exit_1(call: Call, folder: object) -> None:
    result = call("--bootstrap", "nowhere", "doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("fault    settings"))
    assert "FARANDOLE_BOOTSTRAP" in lines[at]
    assert lines[at + 1].startswith("         → ")


def test_json_is_the_result_itself(call: Call) -> None:
    result = call("doctor", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == (found["worst"] == "fault")
    assert {"python", "disk", "folder", "settings", "topology", "java"} <= {
        row["check"] for row in found["checks"]
    }
