"""Does the web console of this folder run, and does it keep its token to itself?"""

from __future__ import annotations

import os
from pathlib import Path

from farandole.operations.diagnosis.check_row import CheckRow, ok, warning
from farandole.operations.setup.web_address import ADDRESS_FILE, is_private, read_address


def check_console(folder: Path) -> CheckRow:
    """Return what there is to say about the console that was started last."""
    file = folder / ADDRESS_FILE
    try:
        private = is_private(file)
    except OSError:
        return ok("console", "none was started here")
    if not private:
        return warning(
            "console",
            f"others may have read the token in {file}",
            f"rm {file}, and start the console again: it makes another token",
        )
    found = read_address(folder)
    if found is None or not _is_alive(found[1]):
        return ok("console", "none runs; `farandole up` and `web` start it")
    return ok("console", f"at {found[0]}, process {found[1]}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
