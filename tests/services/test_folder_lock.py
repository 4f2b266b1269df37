"""Does a second `up` in one folder refuse, and name the first?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farandole.services.errors import ServiceError
from farandole.services.folder_lock import only_one_up, running_up


def test_the_second_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    with only_one_up(tmp_path, file, ""):
        with pytest.raises(ServiceError, match=f"is process {os.getpid()};"):
            only_one_up(tmp_path, file, "").__enter__()
        with only_one_up(tmp_path, file, "blue"), only_one_up(tmp_path, Path("other.yaml"), ""):
            pass
    with only_one_up(tmp_path, file, ""):
        pass


def test_others_know_the_process_while_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    assert running_up(tmp_path, file, "") is None
    with only_one_up(tmp_path, file, ""):
        assert running_up(tmp_path, file, "") == str(os.getpid())
        assert running_up(tmp_path, file, "blue") is None
    assert running_up(tmp_path, file, "") is None


def test_a_folder_that_cannot_be_written_to_refuses_nobody(tmp_path: Path) -> None:
    (tmp_path / ".farandole").write_text("no folder")
    with only_one_up(tmp_path, tmp_path / "topology.yaml", ""):
        pass
