"""How are the processes beside the workers run?"""

from __future__ import annotations

from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.services.companion_services import companion_service
from farandole.services.invocation import Invocation
from farandole.services.supervisor import DRAIN_TIMEOUT


@pytest.mark.usefixtures("unset")
def test_a_notifier_may_end_what_it_sends_before_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "farandole.toml").write_text("[notifier]\nsmtp_timeout = 100\n")
    invocation = Invocation(tmp_path)
    notifier = companion_service(invocation, Settings(), "notify", level="info")
    assert notifier.drain_timeout >= 100
    router = companion_service(invocation, Settings(), "route", level="info")
    assert router.drain_timeout == DRAIN_TIMEOUT
