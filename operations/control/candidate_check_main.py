"""How does a process check one candidate? It reads the version and writes the verdict."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

from farandole.events.topology_version import Version
from farandole.operations.control.candidate_check import judge_candidate


def main(folder: str, stage: str, run: str) -> None:
    """Check the candidate `run` for a stage of the version that is on standard input."""
    version = Version.model_validate_json(sys.stdin.buffer.read())
    with redirect_stdout(sys.stderr):  # what the module prints is no answer
        verdict = judge_candidate(Path(folder), version, stage, run)
    sys.stdout.write(verdict.model_dump_json())


if __name__ == "__main__":
    main(*sys.argv[1:])
