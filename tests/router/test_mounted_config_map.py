"""Does a router see that a ConfigMap, which is mounted as a folder, has changed?"""

from __future__ import annotations

from pathlib import Path

from farandole.router.watched_files import WatchedFiles


def publish(folder: Path, number: int, text: str) -> None:
    """Write as the kubelet does: into a new folder, to which one link is then moved."""
    data = folder / f"..2026_12_0{number}"
    data.mkdir()
    (data / "topology.yaml").write_text(text)
    moved = folder / "..data_tmp"
    moved.symlink_to(data.name)
    moved.rename(folder / "..data")
    file = folder / "topology.yaml"
    if not file.is_symlink():
        file.symlink_to("..data/topology.yaml")


def test_a_file_whose_links_are_swapped_has_changed_once(tmp_path: Path) -> None:
    publish(tmp_path, 1, "pipeline: p\n")
    file = tmp_path / "topology.yaml"
    watched = WatchedFiles([file])
    assert watched.folders() == [tmp_path]  # where the one link is moved
    assert watched.changed_files() == [file]
    publish(tmp_path, 2, "pipeline: q\n")
    assert watched.changed_files() == [file]
    assert watched.changed_files() is None


def test_a_folder_of_a_config_map_has_each_file_once(tmp_path: Path) -> None:
    publish(tmp_path, 1, "pipeline: p\n")
    assert WatchedFiles([tmp_path]).files() == [tmp_path / "topology.yaml"]
