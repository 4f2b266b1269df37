"""How do a pipeline's topology and settings get into its pods?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from farandole.operations.errors import RefusedError
from farandole.operations.kubernetes.object_names import Manifest, ObjectNames

TOPOLOGY = "topology"
SETTINGS = "settings"
TOPOLOGY_FOLDER = "/etc/farandole/topology"
TOPOLOGY_KEY = "topology.yaml"
MAX_CONFIG_MAP_BYTES = 1024 * 1024  # Kubernetes' limit for all data of a ConfigMap


def topology_config_map(names: ObjectNames, text: str) -> Manifest:
    """Return the ConfigMap with the topology file. Raises RefusedError (`file_too_large`)."""
    size = len(text.encode()) + len(TOPOLOGY_KEY)
    if size > MAX_CONFIG_MAP_BYTES:
        raise RefusedError(
            "file_too_large",
            f"the topology file has {size} bytes, and a ConfigMap of Kubernetes may have"
            f" {MAX_CONFIG_MAP_BYTES}; build the file into the image, or split the pipeline",
            bytes=size,
            limit=MAX_CONFIG_MAP_BYTES,
        )
    return _config_map(names, TOPOLOGY, {TOPOLOGY_KEY: text})


def settings_config_map(names: ObjectNames, environment: Mapping[str, str]) -> Manifest:
    """Return the ConfigMap with the environment of every container."""
    return _config_map(names, SETTINGS, environment)


def settings_digest(environment: Mapping[str, str]) -> str:
    """Return a text that changes with the settings. It stands in the pods' annotations, because no
    process sees that its environment would be another one now."""
    lines = "".join(f"{name}={value}\n" for name, value in sorted(environment.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _config_map(names: ObjectNames, component: str, data: Mapping[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(names.part(component), names.labels(component)),
        "data": dict(data),
    }
