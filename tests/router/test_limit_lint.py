"""Does lint know the limits of a file, who waits for them, and where nobody may wait?"""

from __future__ import annotations

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.events.throttle_spec import ThrottleSpec
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import GOOD, Folder

LIMITS = GOOD + "limits: {crm-api: 50/s}\n"
ASYNC = "async def load(lines: list[Line], context: Context) -> None:\n    "
PLAIN = "def load(lines: list[Line], context: Context) -> None:\n    "
WAITS = 'await context.limit("crm-api")'
HOLDS = "8:3: stage 'load' would hold the event loop by context.limit: its function is a plain "


def findings(folder: Folder, topology: str, load: str) -> list[str]:
    file = folder(topology, {"load": load})
    found = check_topology_file(file, KafkaNames()).findings
    return [str(each).removeprefix(f"{file}:") for each in found]


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (ASYNC + WAITS, ""),
        (ASYNC + "for line in lines: await context.limit(name='crm-api')", ""),
        (
            ASYNC + "await context.limit('crm-apo'); 'crm-api'",
            "8:3: stage 'load' waits for the limit 'crm-apo' (work.load, line 3), which the file "
            "does not have; did you mean 'crm-api'?",
        ),
        (
            ASYNC + f"await context.limit('geo'); {WAITS}",
            "8:3: stage 'load' waits for the limit 'geo' (work.load, line 3), which the file does "
            "not have; add it: `limits: {geo: 50/s}`",
        ),
        (ASYNC + "wait = context.limit('crm-api'); await wait", ""),
        (
            ASYNC + "context.limit('crm-api')",
            "8:3: stage 'load' does not await context.limit, and so does not wait (work.load, "
            "line 3); write `await context.limit(…)`",
        ),
        (PLAIN + "context.limit('crm-api')", HOLDS),
        (
            ASYNC + "pass",
            "9:10: warning: no function waits for the limit 'crm-api'; wait for it by `await "
            "context.limit`, or delete it",
        ),
        # Whoever calls a helping function says where it runs.
        (
            ASYNC + WAITS + "\ndef helped(context: Context) -> None:\n    context.limit('crm-api')",
            "",
        ),
    ],
)
def test_functions_wait_for_limits_that_the_file_has(folder: Folder, load: str, said: str) -> None:
    found = findings(folder, LIMITS, load)
    assert len(found) == bool(said)
    assert not said or found[0].startswith(said)


@pytest.mark.parametrize("where", ["load: {", "defaults: {"])
def test_in_a_thread_a_function_may_wait(folder: Folder, where: str) -> None:
    topology = LIMITS.replace("  load: {", "  load: {threads: 2, ")
    assert findings(folder, topology, PLAIN + "context.limit('crm-api')") == []
    topology = LIMITS + "defaults: {threads: 2}\n"
    assert findings(folder, topology, PLAIN + "context.limit('crm-api')") == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("throttle: 100 per min", "9:11: '100 per min' is no rate; write 100/m"),
        ("throttle: 10", "9:11: 10 has no unit; write for example 10/s"),
        ("limits: {crm: 10 lines/s}", "9:15: a limit counts calls, not lines; write 10/s"),
        (
            "limits: {CRM: 10/s}",
            "9:10: 'CRM' is no name of a limit: words of lowercase letters and digits, with - _ . "
            "between them; write for example crm",
        ),
    ],
)
def test_a_rate_is_refused_where_it_stands(folder: Folder, key: str, said: str) -> None:
    assert said in findings(folder, GOOD + key + "\n", ASYNC + "pass")


@pytest.mark.parametrize(
    ("throttle", "said"),
    [
        ("{rate: 1/s, per_key: 0}", "a rate of 0 for each key would park every event"),
        ("{rate: 1/s, per-key: 1/s}", "unknown key 'per-key'; did you mean 'per_key'?"),
        ("{}", "the throttle has no rate; write for example 1000/s"),
        ("1/s between 1:00 and 2:00", "the window names no time zone; write for example between"),
    ],
)
def test_a_throttle_is_refused_where_it_stands(folder: Folder, throttle: str, said: str) -> None:
    topology = GOOD.replace("  load: {", f"  load: {{throttle: {throttle}, ")
    (found,) = findings(folder, topology, ASYNC + "pass")
    assert found.startswith("8:")
    assert said in found


def test_a_version_has_the_throttles_and_limits_of_its_file(folder: Folder) -> None:
    topology = LIMITS.replace("  load: {", "  load: {throttle: {rate: 60/m, per_key: 2/s}, ")
    file = folder(topology + "throttle: '  5 events/s'\n", {"load": ASYNC + WAITS})
    checked = check_topology_file(file, KafkaNames())
    assert checked.topology is not None, checked.findings
    derived = derive_topology(checked.topology, checked.signatures, KafkaNames())
    assert derived.throttle == "5/s"
    assert derived.limits == {"crm-api": "50/s"}
    assert derived.stages["load"].throttle == ThrottleSpec(rate="60/m", per_key="2/s")
