"""How is the standard error of a process and of its children written to a file?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def redirect_stderr(file: Path) -> Iterator[None]:
    """Append standard error to `file` while the block runs."""
    file.parent.mkdir(exist_ok=True)
    sys.stderr.flush()
    screen = os.dup(2)
    try:
        with file.open("ab") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(screen, 2)
        os.close(screen)
