"""What does a file say of a program without transactions, and what is published of it?"""

from __future__ import annotations

import json

from farandole.catalog.active_stages import hosted_stages
from farandole.events.topology_version import StageTopic, Version
from farandole.router.first_offsets import new_stage_partitions
from farandole.router.topology_file_check import check_topology_file
from tests.router.conftest import FUNCTIONS, Folder
from tests.router.test_external_stages import FILE, NAMES, SCORED
from tests.worker.made import version


def findings(folder: Folder, more: str = "", how: str = "at-least-once") -> list[str]:
    text = FILE.format(schema=json.dumps(SCORED), more=more).replace("true", how)
    return [each.message for each in check_topology_file(folder(text, FUNCTIONS), NAMES).findings]


def test_workers_relay_for_a_program_without_transactions(folder: Folder) -> None:
    assert findings(folder, more=", processes: 2") == []
    found = findings(folder, more=", threads: 2")
    assert any("'threads' does nothing here" in each for each in found), found
    found = findings(folder, how="sometimes")
    assert any("'sometimes' says nothing about a program" in each for each in found), found


def test_an_event_type_may_not_look_like_a_raw_topic(folder: Folder) -> None:
    text = FILE.replace("line.scored", "score.raw").format(schema=json.dumps(SCORED), more="")
    found = check_topology_file(folder(text, FUNCTIONS), NAMES).findings
    assert any("score.raw" in each.message for each in found)


def test_the_lanes_of_a_relayed_stage_read_its_raw_topic_and_no_retry_topic() -> None:
    """Also where it was hosted before: its parked events are nobody's then."""
    one = version()
    parking = StageTopic(topic="p.before.retry", partitions=4)
    hosted = one.stages["before"].model_copy(update={"parking": parking})
    raw = StageTopic(topic="p.before.raw", partitions=4)
    update = {"external": "at-least-once", "raw": raw, "parking": None}
    relayed = hosted.model_copy(update=update)
    first = one.model_copy(update={"stages": {"before": hosted}})
    second = one.model_copy(update={"version": 2, "stages": {"before": relayed}})
    third = one.model_copy(update={"version": 3, "stages": {"before": hosted}})
    assert hosted_stages({1: first, 2: second})["before"].topics == ("p.asked", "p.before.raw")
    back = hosted_stages({1: first, 2: second, 3: third})["before"]
    assert back.topics == ("p.asked", "p.before.retry")


def test_positions_in_a_raw_topic_end_with_its_relay_and_with_the_life_of_an_input() -> None:
    one = version()
    hosted = one.stages["before"]
    raw = StageTopic(topic="p.before.raw", partitions=2)
    relayed = hosted.model_copy(update={"external": "at-least-once", "raw": raw})
    first = one.model_copy(update={"stages": {"before": hosted}})
    second = one.model_copy(update={"version": 2, "stages": {"before": relayed}})

    def added(earlier: list[Version], *recreated: str) -> list[int]:
        found = new_stage_partitions(second, earlier, {*recreated})["before"]
        return [tp.partition for tp in found]

    assert added([first]) == [0, 1]
    assert added([first, second]) == []
    assert added([first, second, first]) == [0, 1]
    assert added([second], "p.asked") == [0, 1]
    assert added([second], "p.other") == []
