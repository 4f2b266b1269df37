"""Is it known where the console of `up` is, before it listens?"""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from farandole.operations.setup.web_address import kept_token
from farandole.operations.setup.web_settings import DEFAULT_PORT
from farandole.services.hosted_console import prepare_console

pytestmark = pytest.mark.usefixtures("unset")


def test_the_link_has_the_port_that_its_process_is_told_and_the_kept_token(tmp_path: Path) -> None:
    found = prepare_console(tmp_path)
    parts = urlsplit(found.link)
    assert found.environment == {"FARANDOLE_WEB_PORT": str(parts.port)}
    assert (parts.hostname, parts.path) == ("127.0.0.1", "/login")
    assert parts.query == f"token={kept_token(tmp_path, None)}"
    assert prepare_console(tmp_path).link.endswith(parts.query)


def test_a_second_up_takes_another_port(tmp_path: Path) -> None:
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            pass  # whoever has it will do
        else:
            other.listen()
        assert urlsplit(prepare_console(tmp_path).link).port not in (DEFAULT_PORT, 0)


def test_where_the_folder_cannot_be_written_its_process_is_told_the_token(tmp_path: Path) -> None:
    (tmp_path / ".farandole").touch()
    found = prepare_console(tmp_path)
    assert found.link.endswith(f"token={found.environment['FARANDOLE_WEB_TOKEN']}")


def test_behind_a_proxy_the_link_is_that_of_the_proxy(tmp_path: Path) -> None:
    (tmp_path / "farandole.toml").write_text(
        '[web]\nweb_auth = "proxy"\nweb_url = "https://ops.example/x"\nweb_port = 9000\n'
    )
    found = prepare_console(tmp_path)
    assert found.link == "https://ops.example/x/"
    assert found.environment == {"FARANDOLE_WEB_PORT": "9000"}
