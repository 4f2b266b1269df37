"""Does `config` show each setting with its source, and does the documentation list them all?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from farandole.broker.env_file import load_env_file
from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.operations.errors import UnavailableError
from farandole.operations.setup.show_settings import (
    SETTINGS_MODELS,
    SettingRow,
    SettingsRequest,
    known_variables,
    setting_unit,
    show_settings,
)

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `(FARANDOLE_[A-Z_]+)` \| ([^|]*?) ?\| ([^|]*?) ?\| ", re.MULTILINE)


@pytest.fixture(autouse=True)
def environment(unset: None) -> Iterator[None]:
    """What a test adds to the environment goes again."""
    with patch.dict(os.environ):
        yield


def row(folder: Path, setting: str, **options: str) -> SettingRow:
    result = show_settings(SettingsRequest(folder, options, load_env_file(folder)))
    (found,) = (row for row in result.settings if row.setting == setting)
    return found


def test_the_documentation_has_each_variable_once_and_in_order() -> None:
    assert [variable for variable, _, _ in ROW.findall(PAGE.read_text())] == known_variables()


@pytest.mark.parametrize("model", SETTINGS_MODELS, ids=lambda model: model.__name__)
def test_the_documentation_says_defaults_and_units(model: type[Settings]) -> None:
    documented = {name: (default, unit) for name, default, unit in ROW.findall(PAGE.read_text())}
    for name, field in model.model_fields.items():
        default, unit = documented[f"{ENV_PREFIX}{name.upper()}"]
        assert unit == (setting_unit(model, name) or ""), name
        if field.default in (None, "", ()):
            assert default, name
            assert not default.startswith("`"), name
        else:
            assert default == f"`{default_text(field.default)}`", name


def default_text(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool | str) else f"{default:g}"


def test_a_default_is_a_default(tmp_path: Path) -> None:
    found = row(tmp_path, "session_timeout")
    assert (found.value, found.unit, found.source) == (6.0, "s", "default")


def test_each_source_wins_over_those_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "farandole.toml").write_text('namespace = "toml"\n')
    assert row(tmp_path, "namespace").source == "farandole.toml"
    (tmp_path / ".env").write_text("FARANDOLE_NAMESPACE=dotenv\n")
    found = row(tmp_path, "namespace")
    assert (found.value, found.source) == ("dotenv", ".env")
    monkeypatch.setenv("FARANDOLE_NAMESPACE", "shell")
    found = row(tmp_path, "namespace")
    assert (found.value, found.source) == ("shell", "environment")
    found = row(tmp_path, "namespace", namespace="option")
    assert (found.value, found.source) == ("option", "option")


def test_a_setting_of_a_table_has_its_source(tmp_path: Path) -> None:
    (tmp_path / "farandole.toml").write_text("[notifier]\nsmtp_timeout = 5\n")
    found = row(tmp_path, "notifier.smtp_timeout")
    assert (found.value, found.source) == (5.0, "farandole.toml")


def test_secrets_are_masked(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "FARANDOLE_SASL_MECHANISM=PLAIN\nFARANDOLE_SASL_USERNAME=ann\n"
        "FARANDOLE_SASL_PASSWORD=hunter2-and-more\n"
    )
    result = show_settings(SettingsRequest(tmp_path, {}, load_env_file(tmp_path)))
    text = json.dumps(result.to_data())
    assert "hunter2" not in text
    assert "********" in text


def test_a_misspelled_variable_is_named_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARANDOLE_BOOTSTRP", "a:1")
    (unknown,) = show_settings(SettingsRequest(tmp_path)).unknown
    assert (unknown.variable, unknown.near) == ("FARANDOLE_BOOTSTRP", "FARANDOLE_BOOTSTRAP")


def test_a_bad_value_is_an_error_that_names_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARANDOLE_DEADLINE", "soon")
    with pytest.raises(UnavailableError, match="FARANDOLE_DEADLINE"):
        show_settings(SettingsRequest(tmp_path))
