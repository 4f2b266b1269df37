"""Which fixtures do the tests of the demonstration share with those of the command line?"""

from __future__ import annotations

from tests.cli.conftest import applied, call, die, folder

__all__ = ["applied", "call", "die", "folder"]
