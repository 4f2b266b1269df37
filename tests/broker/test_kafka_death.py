"""Is it said why Kafka has ended, from what it has written?"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from farandole.broker.kafka_death import death_reason

STARTED = datetime(2026, 11, 29, 12, 0, 0).timestamp()


def reason(place: Path, log: str, out: str = "") -> str:
    (place / "kafka.log").write_text(log)
    (place / "kafka.out").write_text(out)
    return death_reason(place, place / "kafka.log", STARTED)


@pytest.mark.parametrize("cause", ["No space left on device", "Disk quota exceeded"])
def test_a_full_disk_is_named_whatever_else_went_wrong_after_it(tmp_path: Path, cause: str) -> None:
    text = (
        f"2026-11-29 12:00:03,001 ERROR Error while appending records (x)\n"
        f"java.io.IOException: {cause}\n"
        "2026-11-29 12:00:03,002 ERROR Shutdown broker because all log dirs have failed (x)\n"
    )
    assert reason(tmp_path, text) == f"the disk that holds {tmp_path} is full: free some space"


def test_what_an_earlier_broker_has_written_is_no_reason(tmp_path: Path) -> None:
    text = (
        "2026-11-28 09:00:00,000 ERROR Error while appending records (x)\n"
        "java.io.IOException: No space left on device\n"
        "2026-11-29 12:00:03,000 ERROR Something else (x)\n"
    )
    assert reason(tmp_path, text) == "2026-11-29 12:00:03,000 ERROR Something else (x)"


def test_the_last_error_counts_more_than_the_last_line(tmp_path: Path) -> None:
    text = "Caused by: java.net.BindException: Address already in use\n\tat java.base/x\n"
    assert reason(tmp_path, text).endswith("Address already in use")
    assert reason(tmp_path, "", "") == "it said nothing"
