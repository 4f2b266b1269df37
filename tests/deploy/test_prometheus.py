"""Do the rules and dashboards ask for what a scrape has, and does each alert fire?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from farandole.telemetry.metric_catalog import METRICS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
BOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
PROMTOOL = ROOT / ".venv" / "promtool" / "usr" / "bin" / "promtool"
SELECTOR = re.compile(r"\b((?:messaging|farandole|process)_\w+)(?:\{([^}]*)\})?")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = PROMTOOL if PROMTOOL.exists() else shutil.which("promtool")
    if program is None:
        assert "CI" not in os.environ, "make promtool"
        pytest.skip("no promtool: make promtool")
    return subprocess.run(
        [program, *words], cwd=RULES.parent, capture_output=True, text=True, timeout=120
    )


def rules() -> list[dict[str, str]]:
    return [rule for group in YAML().load(RULES)["groups"] for rule in group["rules"]]


def panels() -> Iterator[tuple[str, str]]:
    """The expressions of all dashboards, with where they stand."""
    for board in BOARDS:
        for panel in json.loads(board.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{board.name}: {panel['title']}", target["expr"]


EXPRESSIONS = [
    *((f"rules.yml: {rule.get('alert') or rule['record']}", rule["expr"]) for rule in rules()),
    *panels(),
]


def scraped_names() -> dict[str, set[str]]:
    """By the name of a sample, its labels."""
    found: dict[str, set[str]] = {}
    for metric in METRICS.values():
        labels = {"process", *metric.labels}
        if metric.kind == "counter":
            found[f"{metric.name}_total"] = labels
        elif metric.kind == "gauge":
            found[metric.name] = labels
        else:
            found |= {f"{metric.name}_{end}": labels | {"le"} for end in ("bucket", "sum", "count")}
    return found


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[e[0] for e in EXPRESSIONS])
def test_an_expression_asks_for_samples_and_labels_that_a_scrape_has(
    where: str, expression: str
) -> None:
    known = scraped_names()
    asked = [*SELECTOR.finditer(re.sub(r"\bby \([^)]*\)", "", expression))]
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    if not asked:
        assert any(name in expression for name in recorded), where
    for match in asked:
        if any(match[1] in name.split(":") for name in recorded):
            continue
        assert match[1] in known, where
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", match[2] or ""))
        assert labels <= known[match[1]], where


def test_each_alert_fires_when_its_cause_is_there() -> None:
    done = promtool("test", "rules", "rules_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    tested = RULES.with_name("rules_test.yml").read_text()
    alerts = [rule["alert"] for rule in rules() if "alert" in rule]
    assert [name for name in alerts if f"alertname: {name}\n" not in tested] == []


def test_prometheus_can_read_each_expression(tmp_path: Path) -> None:
    """Those of dashboards are read as rules, with their variables filled in."""
    file = tmp_path / "panels.yml"
    asked = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$\w+", "x", expression)}
        for number, (_, expression) in enumerate(panels())
    ]
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": asked}]}))
    for each in (RULES, file):
        done = promtool("check", "rules", each)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_says_what_it_is_and_what_helps() -> None:
    for rule in rules():
        if "alert" in rule:
            assert {*rule["annotations"]} == {"summary", "remedy"}
            assert rule["labels"]["severity"] in {"page", "notify"}  # type: ignore[index]
