"""How does a child process call the functions of checks?"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import orjson

from farandole.ledger.check_functions import MEBIBYTES, TRANSACTION_SECONDS
from farandole.ledger.function_call import call_check_function
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.stages.function_loader import add_to_import_path
from farandole.stages.memory_limit import limit_memory

_ORPHAN_SECONDS = int(2 * TRANSACTION_SECONDS)
"""How long the process lives if nobody is left to end it."""


def main() -> None:
    """Answer each line of standard input with one of standard output."""
    signal.alarm(_ORPHAN_SECONDS)
    limit_memory(MEBIBYTES)
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1):  # what a function reads and prints must not mix with the questions
        os.dup2(nothing, each)
    # A process that a function forks must not hold the pipe open when this one has ended.
    os.register_at_fork(after_in_child=lambda: os.close(answers.fileno()))
    add_to_import_path(Path(sys.argv[1]))
    for line in questions:
        question = orjson.loads(line)
        profile = EdgeProfile.from_json(question["profile"])
        answers.write(orjson.dumps(call_check_function(question["run"], profile)._asdict()) + b"\n")
        answers.flush()
    os._exit(0)  # functions may have started threads


if __name__ == "__main__":
    main()
