"""Is a peer that cannot be had missing, and what is there not installed again?"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.installed import MissingPeerError, by_pip, once


def test_a_peer_that_pip_refuses_is_missing_with_pips_reason(tmp_path: Path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("./nowhere\n")
    with pytest.raises(MissingPeerError, match=r"ERROR.*nowhere"):
        by_pip(tmp_path / "home", wanted)


def test_what_is_there_is_installed_again_only_when_something_else_is_wanted(
    tmp_path: Path,
) -> None:
    installed: list[str] = []
    for wanted in ("one", "one", "other", "other", "one"):
        once(tmp_path / "home", wanted, partial(installed.append, wanted))
    assert installed == ["one", "other", "one"]


def test_half_an_installation_is_none(tmp_path: Path) -> None:
    home = tmp_path / "home"

    def fails() -> None:
        (home / "half").touch()
        raise MissingPeerError("the network has gone")

    with pytest.raises(MissingPeerError):
        once(home, "one", fails)
    again = []
    once(home, "one", lambda: again.append((home / "half").exists()))
    assert again == [False]


def test_contestants_who_share_a_home_install_the_same_there() -> None:
    assert len({c.name for c in CONTESTANTS}) == len(CONTESTANTS)
    for contestant in CONTESTANTS:
        assert bool(contestant.home) == (contestant.install is not None)
