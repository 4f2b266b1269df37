"""What does `try` print, and with which exit code?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from farandole.broker.settings import Settings
from farandole.cli.__main__ import farandole
from tests.cli.booked import put, row
from tests.cli.conftest import Call, process, until
from tests.testing.projects import SHOP, TOPOLOGY, write_project

ORDER = '{"customer":"ann","items":["tea","air"],"cents":1}'
BAD = '{"customer":"bob","cents":-1}'


@pytest.fixture
def shop(tmp_path: Path, unset: None) -> Path:
    write_project(tmp_path)
    return tmp_path


def run(folder: Path, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(farandole, ["-C", str(folder), "try", *arguments], input=stdin)


def test_the_tree_shows_what_each_stage_made_of_the_event(shop: Path) -> None:
    result = run(shop, "order.placed", "--data", ORDER)
    assert result.exit_code == 0, result.output
    shown = [line.lstrip(" │├└─").split("  ")[0] for line in result.stdout.splitlines()]
    tree = shown[: shown.index("")]
    assert tree == [
        "order.placed", "[check]", "order.checked", "[split]", "item.ordered", "[pick]",
        "item.picked", "item.ordered", "[pick]", "[thank]",
    ]  # fmt: skip
    assert "[pick]" in result.stdout
    assert "dropped" in result.stdout
    assert "not called: it writes to the outside (--with-effects calls it)" in result.stdout
    assert result.stdout.splitlines()[-1] == "completed: the books balance"


def test_a_rejected_event_is_told_with_its_reason_and_exit_1(shop: Path) -> None:
    result = run(shop, "order.placed", "--data", BAD)
    assert result.exit_code == 1
    assert "dead: Reject: nobody is paid for an order" in result.stdout
    assert result.stdout.splitlines()[-1] == "failed: the books balance"


def test_a_bug_is_shown_at_the_users_line_and_nothing_of_ours(tmp_path: Path, unset: None) -> None:
    file = write_project(tmp_path, code=SHOP.replace("if order.cents < 0", "if order.cent < 0"))
    result = run(tmp_path, "order.placed", "--data", ORDER)
    assert result.exit_code == 1
    (module,) = tmp_path.glob("made_*.py")
    assert f'File "{module}", line' in result.stdout
    assert "if order.cent < 0" in result.stdout
    assert "dead after 3 tries: AttributeError: 'Order' object has no attribute" in result.stdout
    ours = [line for line in result.stdout.splitlines() if "/farandole/" in line]
    assert ours == []
    assert file.exists()


def test_a_bad_file_is_told_in_the_words_of_lint(shop: Path) -> None:
    file = shop / "topology.yaml"
    file.write_text(file.read_text().replace(":check", ":chek"))
    tried = run(shop, "order.placed", "--data", ORDER)
    linted = CliRunner().invoke(farandole, ["-C", str(shop), "lint"])
    assert tried.exit_code == 1
    assert tried.stderr == linted.stderr
    assert "chek" in tried.stderr


def test_stages_with_effects_are_called_on_demand(tmp_path: Path, unset: None) -> None:
    marker = tmp_path / "thanked"
    write_project(
        tmp_path,
        code=SHOP.replace(
            "async def thank(order: Order) -> None: ...",
            f"def thank(order: Order) -> None:\n        open({str(marker)!r}, 'w').close()",
        ),
    )
    assert run(tmp_path, "order.placed", "--data", ORDER).exit_code == 0
    assert not marker.exists()
    assert run(tmp_path, "order.placed", "--data", ORDER, "--with-effects").exit_code == 0
    assert marker.exists()


def test_the_file_says_which_stages_have_effects(tmp_path: Path, unset: None) -> None:
    write_project(
        tmp_path,
        TOPOLOGY.replace("emits: order.checked}", "emits: order.checked, effects: true}").replace(
            "subscribes: order.checked}", "subscribes: order.checked, effects: false}"
        ),
    )
    first = run(tmp_path, "order.placed", "--data", ORDER).stdout
    assert "[check]  not called" in first
    second = run(tmp_path, "order.checked", "--data", ORDER).stdout
    assert "[thank]" in second
    assert "not called" not in second


def test_a_wide_tree_is_cut_and_counts_what_died_out_of_sight(tmp_path: Path, unset: None) -> None:
    refusing = "if item.name == 'last': raise Reject('sold out')\n        return item if item"
    write_project(tmp_path, code=SHOP.replace("return item if item", refusing))
    items = [f"item {number}" for number in range(1, 25)] + ["last"]
    order = json.dumps({"customer": "ann", "items": items})
    cut = run(tmp_path, "order.placed", "--data", order).stdout
    assert cut.count("item.ordered  ") == 20
    assert "└─ and 5 more (--all prints them)" in cut
    assert "dead, with those that are not shown:\n1  [pick]  Reject: sold out\n" in cut
    whole = run(tmp_path, "order.placed", "--data", order, "--all").stdout
    assert whole.count("item.ordered  ") == 25
    assert "dead: Reject: sold out" in whole
    assert "more" not in whole
    assert "not shown" not in whole
    found = json.loads(run(tmp_path, "order.placed", "--data", order, "--json").stdout)
    assert len(found["events"][0]["steps"][0]["outputs"][0]["steps"][0]["outputs"]) == 25


def test_many_roots_are_cut_too(shop: Path) -> None:
    result = run(shop, "order.placed", "--file", "-", stdin=f"{ORDER}\n" * 22)
    assert result.stdout.count("order.placed  ") == 20
    assert "\nand 2 more (--all prints them)\n" in result.stdout


def test_the_mean_time_of_an_edge_is_shown_once(shop: Path) -> None:
    shown = run(shop, "order.placed", "--data", ORDER).stdout
    times = [line for line in shown.splitlines() if "[pick]" in line and "→" not in line]
    assert len(times) == 2
    assert re.search(r"\[pick\]  ~[\d.]+ (µs|ms|s) each", times[0])
    assert "each" not in times[1]


def test_json_has_the_same_tree(shop: Path) -> None:
    result = run(shop, "order.placed", "--data", ORDER, "--json")
    found = json.loads(result.stdout)
    assert (found["status"], found["balanced"]) == ("completed", True)
    (root,) = found["events"]
    assert root["data"] == json.loads(ORDER)
    (check,) = root["steps"]
    assert [step["stage"] for step in check["outputs"][0]["steps"]] == ["split", "thank"]
    assert found["edges"]["item.ordered>pick"]["dropped"] == 1


def test_only_one_stage_is_tried(shop: Path) -> None:
    result = run(shop, "order.checked", "--data", ORDER, "--stage", "split", "--json")
    (root,) = json.loads(result.stdout)["events"]
    assert [(s["stage"], s["outcome"], s["why"]) for s in root["steps"]] == [
        ("split", "handled", None),
        ("thank", "not called", "not asked for"),
    ]


def test_a_file_has_the_data_of_an_event_on_each_line(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text(f"{ORDER}\n{BAD}\n")
    result = run(shop, "order.placed", "--file", str(file), "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["events"]) == 2


def test_the_data_may_be_in_a_file_or_come_from_standard_input(shop: Path) -> None:
    (shop / "order.json").write_text(ORDER)
    from_file = run(shop, "order.placed", "--data", f"@{shop / 'order.json'}", "--json")
    from_stdin = run(shop, "order.placed", "--data", "-", "--json", stdin=ORDER)
    for result in (from_file, from_stdin):
        assert json.loads(result.stdout)["events"][0]["data"] == json.loads(ORDER)


def test_lines_of_tail_say_which_event_they_are(shop: Path) -> None:
    line = json.dumps({"type": "order.placed", "key": "k", "data": json.loads(ORDER)})
    result = run(shop, "--file", "-", "--json", stdin=f"{line}\n")
    (root,) = json.loads(result.stdout)["events"]
    assert (root["type"], root["key"]) == ("order.placed", "k")


def test_what_functions_print_stays_out_of_the_json(tmp_path: Path, unset: None) -> None:
    code = SHOP.replace("if order.cents < 0", "print('hello')\n        if order.cents < 0")
    write_project(tmp_path, code=code)
    result = run(tmp_path, "order.placed", "--data", ORDER, "--json")
    assert json.loads(result.stdout)["status"] == "completed"
    assert "hello" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say which events: --data JSON, --file FILE, --run RUN, or --schedule NAME"),
        (("order.placed", "--schedule", "nightly"), "and none for --run or --schedule"),
        (
            ("order.placed", "--data", "{}", "--planned", "2026-11-30T02:30"),
            "--planned needs --schedule NAME",
        ),
        (("--schedule", "nightly"), "there is no schedule 'nightly'"),
        (("--data", "{}"), "name the EVENT for --data"),
        (("order.placed", "--data", "{"), "--data is not JSON"),
        (("order.placed", "--file", "absent.jsonl"), "--file absent.jsonl: No such file"),
        (("order.plcaed", "--data", "{}"), "there is no event type 'order.plcaed'; did you mean"),
        (("order.placed", "--data", "{}", "--stage", "chekc"), "there is no stage 'chekc'"),
    ],
)
def test_a_wrong_call_is_told(shop: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(shop, *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "mistake of ours" not in result.stderr


def test_a_line_that_is_no_event_is_named(shop: Path) -> None:
    result = run(shop, "--file", "-", stdin=f"{ORDER}\n")
    assert result.exit_code == 2
    assert "--file -: line 1: it is no event" in result.stderr


def test_nothing_is_left_behind(shop: Path) -> None:
    before = {file.name for file in shop.iterdir()}
    run(shop, "order.placed", "--data", ORDER)
    assert {file.name for file in shop.iterdir()} - {"__pycache__"} == before


def test_it_is_tried_again_at_each_save(
    shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shown = tmp_path_factory.mktemp("shown") / "output"
    words = ("-C", str(shop), "try", "order.placed", "--data", ORDER, "--watch")
    with shown.open("w") as output:
        watching = process(*words, env={"PYTHONUNBUFFERED": "1"}, stdout=output.fileno())
    try:
        until(lambda: "completed: the books balance" in shown.read_text(), 120, "the first try")
        (module,) = shop.glob("made_*.py")
        refusing = (
            module.read_text().replace("< 0", "< 9").replace("nobody is paid", "closed today")
        )

        def is_tried_again() -> bool:
            module.write_text(refusing)  # again, until the folder is watched
            return "dead: Reject: closed today" in shown.read_text()

        until(is_tried_again, 120, "the try after the save")
    finally:
        watching.terminate()
        watching.wait()


@pytest.mark.kafka
def test_the_root_of_a_recorded_run_is_tried(applied: Call, settings: Settings) -> None:
    published = json.loads(
        applied("trigger", "feed.requested", "--data", '{"weeks":[1]}', "--json").stdout
    )
    root = {**(row()["root"] or {}), **{k: published[k] for k in ("topic", "partition", "offset")}}
    put(settings, row(published["run"], root=root))
    tried = applied("try", "--run", published["run"], "--stage", "plan", "--json")
    (event,) = json.loads(tried.stdout)["events"]
    assert (event["type"], event["data"]) == ("feed.requested", {"weeks": [1]})
    assert event["steps"][0]["stage"] == "plan"


FLAGGED = (
    TOPOLOGY
    + """
    flags:
      refused: {type: text, default: air}
      most: {type: int, default: 3}
"""
)
READS = SHOP.replace(
    'item.name != "air"',
    'item.name != context.flag("refused", "") and context.flag("most", 1)',
)


def test_flags_have_the_values_that_are_given(tmp_path: Path, unset: None) -> None:
    write_project(tmp_path, FLAGGED, READS)
    given = ("order.placed", "--data", ORDER, "--json")
    result = run(tmp_path, *given, "--flag", "refused=tea", "--flag", "most=0")
    assert result.exit_code == 0, result.output
    counted = json.loads(result.stdout)
    assert counted["flags"] == {"pick": {"refused": {'"tea"': 2}, "most": {"0": 1}}}
    assert counted["edges"]["item.ordered>pick"]["dropped"] == 2


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("most", "--flag most: write NAME=VALUE, such as --flag vip=true"),
        ("moost=1", "there is no flag 'moost'; did you mean 'most'?"),
        ("most=1.5", "the flag 'most': 1.5 is no int"),
        ("most=", "the flag 'most': '' is no int"),
    ],
)
def test_a_flag_that_cannot_be_set_is_refused(
    tmp_path: Path, unset: None, flag: str, said: str
) -> None:
    write_project(tmp_path, FLAGGED, READS)
    result = run(tmp_path, "order.placed", "--data", ORDER, "--flag", flag)
    assert result.exit_code != 0
    assert said in result.stderr


SCHEDULED = (
    TOPOLOGY
    + """
    schedules:
      nightly:
        cron: "30 2 * * *"
        triggers: order.placed
        data: {customer: "${schedule}", items: ["${planned.date}"]}
"""
)


def test_what_a_schedule_triggers_is_tried(tmp_path: Path, unset: None) -> None:
    write_project(tmp_path, SCHEDULED)
    result = run(tmp_path, "--schedule", "nightly", "--planned", "2026-11-30T02:30", "--json")
    assert result.exit_code == 0, result.output
    (event,) = json.loads(result.stdout)["events"]
    assert (event["type"], event["key"]) == ("order.placed", "nightly")
    assert event["data"]["items"] == ["2026-11-30"]


def test_a_time_that_is_none_is_refused(tmp_path: Path, unset: None) -> None:
    write_project(tmp_path, SCHEDULED)
    result = run(tmp_path, "--schedule", "nightly", "--planned", "tonight")
    assert result.exit_code == 1
    assert "tonight" in result.stderr
    assert "Traceback" not in result.stderr


CHECKED = TOPOLOGY.replace(
    "order.placed: {key: customer}",
    """order.placed:
        key: customer
        checks:
          paid: {rule: range, column: cents, min: 0}
          small: {rule: range, column: cents, max: 100, share: 50%, severity: fail}""",
)
LARGE = '{"customer":"eve","cents":500}'


def test_the_checks_are_judged_at_the_end(tmp_path: Path, unset: None) -> None:
    write_project(tmp_path, CHECKED)
    passed = run(tmp_path, "order.placed", "--data", ORDER)
    assert passed.exit_code == 0, passed.output
    assert passed.stdout.splitlines()[-5:] == [
        "", "order.placed/paid   passed", "order.placed/small  passed", "",
        "completed: the books balance",
    ]  # fmt: skip


def test_a_check_that_fails_is_told_with_its_reason_and_exit_1(tmp_path: Path, unset: None) -> None:
    write_project(tmp_path, CHECKED)
    orders = "\n".join([ORDER, LARGE, ORDER])
    result = run(tmp_path, "order.placed", "--file", "-", stdin=orders)
    assert result.exit_code == 1
    why = "in 1 of 3 runs: 1 of 1 rows break it: 0.00% keep it, and 50.00% must"
    assert f"order.placed/small  failed  {why}" in result.stdout.splitlines()
    found = json.loads(run(tmp_path, "order.placed", "--data", LARGE, "--json").stdout)["checks"]
    assert [(each["check"], each["verdict"]) for each in found] == [
        ("order.placed/paid", "passed"), ("order.placed/small", "failed")
    ]  # fmt: skip
