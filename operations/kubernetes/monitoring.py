"""How does Prometheus Operator learn of a pipeline's metrics?"""

from __future__ import annotations

from farandole.operations.kubernetes.object_names import Manifest, ObjectNames
from farandole.operations.kubernetes.parts import METRICS


def service_monitor(names: ObjectNames) -> Manifest:
    """Return the ServiceMonitor that scrapes every pod of the pipeline."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": names.metadata(names.part(METRICS), names.labels(METRICS)),
        "spec": {
            "selector": {"matchLabels": names.selector(METRICS)},
            "endpoints": [{"port": METRICS, "path": "/metrics", "interval": "15s"}],
        },
    }
