"""Is what `farandole manifests` prints read by a cluster as it was meant?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from farandole.cli.rendering.kubernetes_yaml import kubernetes_yaml
from tests.cli.conftest import Call, one_line

KAFKA = {"FARANDOLE_BOOTSTRAP": "kafka:9092"}
MANIFESTS = ("manifests", "--image", "example/pipeline:1")

SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: order-lines-settings
  namespace: data
  labels:
    app.kubernetes.io/name: farandole
    app.kubernetes.io/part-of: farandole
    app.kubernetes.io/instance: order-lines
    app.kubernetes.io/component: settings
data:
  FARANDOLE_BOOTSTRAP: "kafka:9092"
  FARANDOLE_METRICS_HOST: "0.0.0.0"
  FARANDOLE_METRICS_PORT: "9464"
  FARANDOLE_MONITOR_URL: "http://order-lines-monitor:8077"
"""

texts = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "on",
        "Yes",
        "n",
        "~",
        "null",
        "08:30",
        "1_000",
        "0x1f",
        "1e3",
        ".inf",
        "2026-12-01",
        "=",
        "<<",
    ]
)
lines = st.lists(st.text(st.characters(min_codepoint=32, codec="utf-8")), min_size=2).map("\n".join)


@given(st.dictionaries(texts, texts | lines | st.integers() | st.booleans(), max_size=5))
def test_a_reader_of_yaml_1_1_sees_what_was_written(document: dict[str, Any]) -> None:
    """Kubernetes reads that version of YAML, and PyYAML does."""
    written = kubernetes_yaml([document, {"kind": "other"}])
    assert [*yaml.safe_load_all(written)] == [document, {"kind": "other"}]


def test_a_text_of_several_lines_is_a_block_that_people_can_read() -> None:
    written = kubernetes_yaml([{"data": {"topology.yaml": "pipeline: p\n# why\nstages: {}\n"}}])
    assert written == (
        "data:\n  topology.yaml: |\n    pipeline: p\n    # why\n    stages: {}\n"
    )  # fmt: skip


def test_yaml_and_json_say_the_same(call: Call) -> None:
    as_yaml = call(*MANIFESTS, "--keda", "--prometheus-operator", env=KAFKA)
    as_json = call(*MANIFESTS, "--keda", "--prometheus-operator", "--json", env=KAFKA)
    made = json.loads(as_json.stdout)
    assert (made["apiVersion"], made["kind"]) == ("v1", "List")
    assert [*yaml.safe_load_all(as_yaml.stdout)] == made["items"]


def test_the_beginning_of_the_settings_is_this(call: Call) -> None:
    """The one part that is compared as text: somebody reads it before it is applied."""
    printed = call(*MANIFESTS, "--kube-namespace", "data", env=KAFKA).stdout
    settings = next(each for each in printed.split("---\n") if "order-lines-settings" in each)
    assert settings.partition("  FARANDOLE_WEB_HOSTS")[0] == SETTINGS


def test_no_secret_is_printed(call: Call) -> None:
    secrets = {
        "FARANDOLE_SASL_MECHANISM": "PLAIN",
        "FARANDOLE_SASL_USERNAME": "ann",
        "FARANDOLE_SASL_PASSWORD": "never-1",
        "FARANDOLE_WEB_TOKEN": "never-2-never-2-never-2",
        "FARANDOLE_WEBHOOK_SECRET": "never-3",
    }
    result = call(*MANIFESTS, "--secret", "passwords", "--keda", env=KAFKA | secrets)
    assert result.exit_code == 0, result.output
    assert "never-" not in result.output


def test_a_kafka_that_pods_cannot_reach_is_refused_in_one_line(call: Call) -> None:
    line = one_line(call(*MANIFESTS))
    assert line.startswith("farandole: FARANDOLE_BOOTSTRAP is not set")


def test_a_file_that_lint_refuses_is_refused(call: Call, folder: Path) -> None:
    file = folder / "topology.yaml"
    file.write_text(file.read_text().replace("emits: line.priced", "emit: line.priced"))
    result = call(*MANIFESTS, env=KAFKA)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unknown key 'emit'" in result.stderr


@pytest.mark.parametrize("replicas", ["load", "load=", "=2", "load=two", "load=-1"])
def test_a_number_of_pods_that_cannot_be_read_says_how_it_is_written(
    call: Call, replicas: str
) -> None:
    result = call(*MANIFESTS, "--replicas", replicas, env=KAFKA)
    assert result.exit_code == 2
    assert "is not STAGE=N, for example load=3" in result.stderr
