"""How are several new files written, all or none?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from farandole.operations.errors import RefusedError


def write_new_files(folder: Path, contents: Mapping[Path, bytes]) -> None:
    """Write files under `folder`, by their path in it. Nothing is overwritten, and after a failure
    nothing is left behind.

    Raises RefusedError (`files_in_the_way`) that names what exists already, and
    (`folder_unusable`) if the folder cannot be written.
    """
    require_free(folder, contents)
    made: list[Path] = []
    try:
        for path, content in contents.items():
            file = folder / path
            made += _make_folders(file.parent)
            with file.open("xb") as handle:
                made.append(file)
                handle.write(content)
    except OSError as error:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        where = error.filename or folder
        raise RefusedError(
            "folder_unusable", f"{where}: {error.strerror}; nothing was written", file=str(where)
        ) from None


def require_free(folder: Path, paths: Mapping[Path, object]) -> None:
    """Raise RefusedError (`files_in_the_way`) if one of the files exists, or stands where a folder
    is needed."""
    taken = {
        place
        for path in paths
        for place in (folder / path, *(folder / path).parents)
        if place.is_symlink() or place.exists()
        if place == folder / path or not place.is_dir()
    }
    if taken:
        names = sorted(map(str, taken))
        raise RefusedError(
            "files_in_the_way",
            "nothing was written; move what is in the way, or choose another name",
            details=[f"{name} is in the way" for name in names],
            files=names,
        )


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder with its parents, and return those that were made, the outermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
    return [*reversed(missing)]
