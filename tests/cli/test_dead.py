"""What does a person see of dead letters, and what can be done with them?"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.events import retry_record
from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.incident_record import Incident
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.notifier.incident_store import IncidentStore
from farandole.notifier.pipeline_directory import PipelineDirectory
from farandole.notifier.suggested_commands import suggested_commands
from farandole.router.topology_store import current_version
from tests.cli.conftest import LINE, Bury, Call, environment, one_line, process
from tests.operations.buried import bury

pytestmark = pytest.mark.kafka

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe\u200b\r\ttwo\nlines"


def orders(settings: Settings) -> list[retry_record.ParkedEvent]:
    async def read() -> list[retry_record.ParkedEvent]:
        topic = settings.names.retry_topic("order-lines", "validate")
        return [
            retry_record.parse_retry_row(record.value or b"")
            async for records in scan(settings, [topic])
            for record in records
        ]

    return asyncio.run(read())


def test_letters_stand_by_stage_and_kind(applied: Call, die: Bury) -> None:
    assert applied("dead").stdout == "no dead letter is kept\n"
    die("line 1 is empty", "line 2 is empty", "nothing was sold")
    assert applied("dead", "discard", "validate/2", "--reason", "a test feed").exit_code == 0
    empty, sold = json.loads(applied("dead", "--json").stdout)
    assert (empty["stage"], empty["title"], empty["open"]) == ("validate", "line # is empty", 2)
    assert (sold["open"], sold["discarded"], sold["replayed"]) == (0, 1, 0)
    head, first, second = applied("dead").stdout.splitlines()
    assert head.split()[:5] == ["stage", "fingerprint", "what", "open", "settled"]
    assert first.split()[:6] == ["validate", empty["fingerprint"], "Reject:", "line", "#", "is"]
    assert "nothing was sold" in second
    # The names that the subcommands ask for: of a kind its newest open letter, or each.
    assert (first.split()[-1], second.split()[-1]) == ("validate/1", "validate/2")
    assert empty["letter"] == "validate/1"
    listed = [line.split() for line in applied("dead", "list").stdout.splitlines()]
    assert [line[0] for line in listed] == ["letter", "validate/0", "validate/1", "validate/2"]
    assert "discarded" not in listed[2]
    assert "discarded" in listed[3]
    assert applied("dead", "show", listed[1][0]).exit_code == 0
    (one,) = json.loads(applied("dead", "list", "--limit", "1", "--json").stdout)
    assert (one["offset"], one["settled"]) == (0, None)
    kind = json.loads(applied("dead", "--fingerprint", sold["fingerprint"], "--json").stdout)
    assert kind == [sold]
    assert applied("dead", "--stage", "plan").stdout == "no dead letter fits\n"
    assert applied("dead", "--since", "1h", "--until", "2h").stdout == "no dead letter fits\n"


def test_the_commands_of_a_notice_mean_the_letters_of_its_incident(
    applied: Call, die: Bury, settings: Settings
) -> None:
    """Also where the message holds what is personal: the letters' own fingerprints tell people
    apart."""
    for household in (1907001, 1907002):
        die(f"household {household} moved", data=LINE | {"household_id": household})
    die("nothing was sold", "nothing was paid", "nothing was sold")
    found = asyncio.run(incidents(settings))
    assert sorted(incident.count for incident in found) == [1, 2, 2]
    for incident in found:
        commands = [text for _, text in suggested_commands(incident, "", settings.command_options)]
        show, look, again = (shlex.split(text)[1:] for text in commands if " dead " in text)
        (group,) = json.loads(applied(*look, "--json").stdout)
        assert (group["fingerprint"], group["open"]) == (incident.fingerprint, incident.count)
        many = "1 letter" if incident.count == 1 else "2 letters"
        assert applied(*again, "--dry-run").stdout == f"validate: {many} can be replayed\n"
        newest = incident.samples[-1].dead_offset
        assert applied(*show).stdout.startswith(f"validate/{newest}: Reject, kind ")


async def incidents(settings: Settings) -> list[Incident]:
    """As the notifier makes them."""
    directory = PipelineDirectory(settings.names)
    directory.update(await read_table(settings, settings.names.topology_topic))
    book = IncidentStore(directory.alerts, lambda *_: None)
    async for records in scan(settings, [settings.names.dead_topic("order-lines", "validate")]):
        for record in records:
            now = datetime.now(UTC)
            book.add_dead_letter(
                DeadLetterView.from_record(
                    record, "order-lines", "validate", directory.personal_fields, now
                )
            )
    book.take_changes()
    return [*book.incidents.values()]


def test_settlements_are_no_letters_to_whoever_reads_them(applied: Call, die: Bury) -> None:
    die("nothing was sold", "nothing was paid")
    applied("dead", "discard", "validate/0", "--reason", "a test feed")
    lines = applied("tail", "--dead", "validate", "--no-follow").stdout.splitlines()
    assert [json.loads(line)["why"] for line in lines] == [
        "Reject: nothing was sold", "Reject: nothing was paid",
    ]  # fmt: skip
    assert json.loads(applied("status", "--json").stdout)["dead"]["validate"]["count"] == 1


def test_one_letter_is_shown_with_all_that_is_known(
    applied: Call, die: Bury, settings: Settings
) -> None:
    die("nothing was sold")
    shown = applied("dead", "show", "validate/0").stdout
    topic = settings.names.event_topic("order-lines", "line.ingested")
    for part in (
        "validate/0: Reject, kind ", "  nothing was sold", f"event    {topic}/1/0, key 7",
        "tried    3 times", 'File "validate.py", line 3', "ce_id: chunk.planned/0/0/0",
        "id       chunk.planned/0/0/0", "at       validate.py:3",
        '  "household_id": 7,', "settled  no: it is open", "kcat -C -b ", "-p 0 -o 0 -c 1",
        "dead replay validate/0",
    ):  # fmt: skip
        assert part in shown, part
    applied("dead", "discard", "validate/0", "--reason", "a test feed")
    shown = applied("dead", "show", "validate/0").stdout
    assert "settled  discarded by " in shown
    assert ": a test feed" in shown
    assert "dead replay" not in shown


def test_what_is_done_with_letters_has_a_json_form(applied: Call, die: Bury) -> None:
    die("nothing was sold", "nothing was paid")
    shown = json.loads(applied("dead", "show", "validate/0", "--json").stdout)
    assert (shown["stage"], shown["offset"], shown["settlement"]) == ("validate", 0, None)
    assert shown["dead"]["message"] == "nothing was sold"
    assert json.loads(shown["value"])["household_id"] == 7

    discarded = applied("dead", "discard", "validate/0", "--reason", "a test feed", "--json")
    assert json.loads(discarded.stdout) == {
        "stages": [
            {
                "stage": "validate", "settled_before": 0, "discarded": 1,
                "settled_by_others": 0, "expired": 0,
            }
        ]
    }  # fmt: skip
    shown = json.loads(applied("dead", "show", "validate/0", "--json").stdout)
    assert (shown["settlement"]["how"], shown["settlement"]["reason"]) == (
        "discarded", "a test feed",
    )  # fmt: skip

    preview = {
        "stages": [{"stage": "validate", "settled_before": 1, "replayable": 1, "letters": [1]}],
        "refused": [],
        "refused_letters": [],
        "targets": [{"version": "order-lines@1", "letters": 1, "retired": False}],
        "runs": [{"run": shown["dead"]["run"], "letters": 1}],
        "run_count": 1,
    }
    dry = applied("dead", "replay", "--all", "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"preview": preview, "result": None}
    replayed = json.loads(applied("dead", "replay", "--all", "--yes", "--json").stdout)
    stage = {"stage": "validate", "replayed": 1, "settled_by_others": 0, "expired": 0}
    (sent,) = replayed["result"].pop("sent")
    assert (sent["letter"], sent["event_type"]) == ("validate/1", "line.ingested")
    assert replayed == {"preview": preview, "result": {"stages": [stage], "refused": []}}
    nothing = json.loads(applied("dead", "replay", "--all", "--yes", "--json").stdout)
    assert nothing["result"] is None
    assert nothing["preview"]["stages"][0]["settled_before"] == 2


def test_a_replay_is_an_order_to_the_lane_and_is_not_given_twice(
    applied: Call, die: Bury, settings: Settings
) -> None:
    die("nothing was sold", "nothing was paid", "nothing was said")
    dry = applied("dead", "replay", "--all", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "validate: 3 letters can be replayed\n")
    assert "say --yes" in applied("dead", "replay", "--all").stderr
    assert orders(settings) == []
    first = applied("dead", "replay", "validate/1", "--yes")
    assert "validate: 1 letter replayed" in first.stdout
    assert "validate: 2 letters replayed" in applied("dead", "replay", "--all", "--yes").stdout
    again = applied("dead", "replay", "--all", "--yes")
    assert "3 letters settled before" in again.stdout
    assert again.exit_code == 0
    assert [o.offset for o in orders(settings)] == [1, 0, 2]
    assert {o.value for o in orders(settings)} == {json.dumps(LINE).encode()}


def test_a_discard_asks_on_a_terminal(
    applied: Call, die: Bury, settings: Settings, folder: Path
) -> None:
    die("nothing was sold", "nothing was paid")
    words = ["-C", str(folder), "dead", "discard", "--all", "--reason", "a test feed"]

    def answered(answer: bytes, *more: str) -> int:
        ours, theirs = pty.openpty()
        child = process(*words, *more, env=environment(settings), stdin=theirs)
        os.close(theirs)
        os.write(ours, answer)
        _, asked = child.communicate(timeout=120)
        os.close(ours)
        assert ("discard 2 letters?" in asked) is not bool(more), asked
        return child.returncode

    assert answered(b"n\n") == 130
    assert "settled  no: it is open" in applied("dead", "show", "validate/0").stdout
    assert answered(b"y\n") == 0
    assert "settled  discarded by" in applied("dead", "show", "validate/1").stdout
    assert answered(b"", "--yes") == 0


def test_a_replayed_letter_says_what_became_of_it(
    applied: Call, die: Bury, settings: Settings
) -> None:
    die("nothing was sold", "nothing was paid")
    applied("dead", "replay", "--all", "--yes")

    def shown(letter: str) -> Any:
        return json.loads(applied("dead", "show", letter, "--json").stdout)

    waiting = shown("validate/0")
    assert (waiting["settlement"]["how"], waiting["outcome"]["state"]) == ("replayed", "waiting")
    assert "outcome  it waits" in applied("dead", "show", "validate/0").stdout
    rows = orders(settings)

    async def settle() -> None:
        """As the lane does: one event dies again, the other is handled."""
        retry = settings.names.retry_topic("order-lines", "validate")
        async with open_client(make_producer(settings), settings) as client:
            for each in rows:
                key = retry_record.retry_tombstone(each, retry_record.REPLAY_PREFIX).key
                for lane in range(4):
                    await client.send_and_wait(retry, None, key=key, partition=lane)
        version = await current_version(settings, "order-lines")
        assert version is not None
        death = FailureAccount("validate", version.name, "", "Reject", "nothing again")
        again = build_dead_letter(rows[0], death, largest=1_000_000)
        await bury(settings, settings.names.dead_topic("order-lines", "validate"), [again])

    asyncio.run(settle())
    died = shown("validate/0")["outcome"]
    assert (died["state"], shown(died["letter"])["dead"]["message"]) == ("died", "nothing again")
    assert shown("validate/1")["outcome"]["state"] == "done"
    text = applied("dead", "show", "validate/0").stdout
    assert f"outcome  it died again, as {died['letter']}" in text


def test_what_cannot_be_replayed_is_counted_and_the_rest_goes(
    applied: Call, die: Bury, settings: Settings
) -> None:
    die("nothing was sold")
    die("of another time", "and another", version="order-lines@9")
    die("of no run", run="")
    result = applied("dead", "replay", "--all", "--yes")
    assert result.exit_code == 1
    assert "2 letters cannot be replayed: its version was never published here" in result.stdout
    assert "1 letter cannot be replayed: its run is not known" in result.stdout
    assert "validate: 1 letter replayed" in result.stdout
    assert len(orders(settings)) == 1


def test_a_patch_mends_what_is_replayed(
    applied: Call, die: Bury, settings: Settings, tmp_path: Path
) -> None:
    die("nothing was sold", "nothing was sold")
    patch = tmp_path / "patch.json"
    patch.write_text('{"quantity": -1}')
    bad = one_line(applied("dead", "replay", "--all", "--patch", str(patch), "--yes"))
    assert bad.startswith("farandole: validate/0: quantity: -1 is less than the minimum of 0;")
    assert orders(settings) == []
    patch.write_text('{"quantity": 3}')
    done = applied("dead", "replay", "--all", "--patch", str(patch), "--yes")
    assert done.exit_code == 0, done.output
    assert [json.loads(o.value or b"") for o in orders(settings)] == [LINE | {"quantity": 3}] * 2
    assert ": with a patched value" in applied("dead", "show", "validate/0").stdout


def test_an_editor_mends_one(
    applied: Call, die: Bury, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    die("nothing was sold", "nothing was paid")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/"quantity": 0/"quantity": 4/\' "$1"\n')
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    done = applied("dead", "replay", "validate/1", "--edit", "--yes", EDITOR=str(editor))
    assert done.exit_code == 0, done.output
    (order,) = orders(settings)
    assert json.loads(order.value or b"") == LINE | {"quantity": 4}
    die(*("many",) * 20)
    message = applied("dead", "replay", "--all", "--edit", "--yes", EDITOR=str(editor)).stderr
    assert "too many to edit" in message
    assert len(orders(settings)) == 1


def test_hostile_text_does_not_reach_the_terminal(applied: Call, die: Bury) -> None:
    headers = [("x" + HOSTILE, HOSTILE.encode()), ("y", b"\xff\x1b")]
    fields = {"error": HOSTILE, "traceback": HOSTILE, "version": HOSTILE, "run": HOSTILE}
    die(HOSTILE, data={HOSTILE: HOSTILE}, headers=headers, **fields)
    die(HOSTILE, data=HOSTILE.encode() + b"\xff\x1b", **fields)
    for words in (
        (), ("--json",), ("show", "validate/0"), ("show", "validate/2"), ("replay", "--all"),
        ("discard", "validate/0", "--reason", HOSTILE), ("show", "validate/0"),
    ):  # fmt: skip
        result = applied("dead", *words)
        assert not {"\x1b", "\x07", "\r", "\u202e", "\u200b"} & set(result.output), words
        assert result.exit_code == (1 if "replay" in words else 0), result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["replay"], "no letter is selected"),
        (["discard", "--reason", "x"], "no letter is selected"),
        (["replay", "validate"], "'validate' is no STAGE/OFFSET"),
        (["replay", "validate/x"], "'validate/x' is no STAGE/OFFSET"),
        (["replay", "validate/1", "--stage", "load"], "say either which positions"),
        (["replay", "validate/1", "--all"], "say either which positions"),
        (["replay", "--all", "--edit", "--patch", "x"], "say either --edit or --patch"),
        (["replay", "--all", "--patch", "no-such-file"], "No such file"),
        (["discard", "--all"], "Missing option '--reason'"),
        (["discard", "--all", "--reason", " "], "--reason is empty"),
        (["--stage", "load", "replay", "--all"], "say what is meant behind"),
    ],
)
def test_what_is_not_clear_is_a_usage_error(call: Call, words: list[str], message: str) -> None:
    assert message in one_line(call("dead", *words), code=2)


def test_what_is_not_there_is_one_line(applied: Call, die: Bury) -> None:
    die("nothing was sold")
    for words in (("show", "validate/1"), ("replay", "validate/7", "--yes")):
        assert "there is no dead letter validate/" in one_line(applied("dead", *words))
    message = one_line(applied("dead", "replay", "validat/0"))
    assert "did you mean 'validate'?" in message
