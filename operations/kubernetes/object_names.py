"""Which names and labels do the objects of a pipeline have in a cluster?"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
"""One object as Kubernetes' API reads it."""

MAX_NAME_LENGTH = 52  # characters: KEDA and ReplicaSets put up to 11 to a label of 63
MAX_LABEL_LENGTH = 63  # characters, Kubernetes' limit
STAGE_LABEL = "farandole/stage"
_DIGEST_LENGTH = 8  # characters
_NO_LABEL = re.compile(r"[^a-z0-9-]+")
_STAGE_WORD = "-stage-"


@dataclass(frozen=True, slots=True)
class ObjectNames:
    """The names of all objects of one pipeline in one installation. Two different pipelines,
    installations, services or stages never have the same name."""

    installation: str
    """The namespace of the installation on Kafka; empty if it has none."""
    pipeline: str
    cluster_namespace: str | None = None
    """The namespace in the cluster; None for whichever kubectl uses."""

    @property
    def instance(self) -> str:
        """Return the pipeline with its installation, as objects are named. Neither of the two
        contains `--`."""
        return f"{self.installation}--{self.pipeline}" if self.installation else self.pipeline

    def part(self, component: str) -> str:
        """Return the name of the objects of a service, or of what services share."""
        parts = (self.instance, component)
        return _dns_label("-".join(parts), parts, _STAGE_WORD in f"{self.instance}-")

    def stage(self, stage: str) -> str:
        """Return the name of the objects of a stage."""
        ambiguous = _STAGE_WORD in f"{self.instance}-" or _STAGE_WORD in f"-{stage}-"
        parts = (self.instance, "stage", stage)
        return _dns_label("-".join(parts), parts, ambiguous)

    def selector(self, component: str | None = None, stage: str | None = None) -> dict[str, str]:
        """Return the labels that select the pods of the pipeline, of one of its services or of one
        of its stages."""
        labels = {"app.kubernetes.io/instance": _label_value(self.instance)}
        if component is not None:
            labels["app.kubernetes.io/component"] = component
        if stage is not None:
            labels[STAGE_LABEL] = _label_value(stage)
        return labels

    def labels(self, component: str, stage: str | None = None) -> dict[str, str]:
        """Return the labels of an object."""
        return {
            "app.kubernetes.io/name": "farandole",
            "app.kubernetes.io/part-of": "farandole",
            **self.selector(component, stage),
        }

    def metadata(self, name: str, labels: Mapping[str, str]) -> Manifest:
        """Return the metadata of an object."""
        where = {} if self.cluster_namespace is None else {"namespace": self.cluster_namespace}
        return {"name": name, **where, "labels": dict(labels)}


def _dns_label(text: str, parts: Sequence[str], ambiguous: bool) -> str:
    """Return a text as a label of DNS (RFC 1035). If it is changed or cut for that, or could be
    made of other parts as well, a digest of its parts stands at its end."""
    label = _NO_LABEL.sub("-", text)
    if not label[0].isalpha():
        label = f"p-{label}"
    if label == text and not ambiguous and len(label) <= MAX_NAME_LENGTH:
        return label
    return _cut(label, "/".join(parts), MAX_NAME_LENGTH)


def _label_value(text: str) -> str:
    return text if len(text) <= MAX_LABEL_LENGTH else _cut(text, text, MAX_LABEL_LENGTH)


def _cut(label: str, identity: str, length: int) -> str:
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{label[: length - _DIGEST_LENGTH - 1].rstrip('-_')}-{digest}"
