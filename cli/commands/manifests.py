"""How are the Kubernetes objects of a pipeline printed?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.cli import shell_completion
from farandole.cli.context import CliContext
from farandole.cli.options import file_argument, json_option
from farandole.cli.output import print_json, print_line

SERVICES = ("router", "bookkeeper", "scheduler", "notifier", "monitor", "web")
"""As `operations/kubernetes/parts.py` has them: importing that takes long."""


@click.command()
@file_argument
@click.option("--image", metavar="IMAGE", required=True, help="The image with the pipeline's code.")
@click.option(
    "--kube-namespace", metavar="NAME", help="Of the cluster.  [default: kubectl's current one]"
)
@click.option(
    "--replicas",
    "counts",
    metavar="STAGE=N",
    multiple=True,
    shell_complete=shell_completion.complete_replicas,
    help="Pods of a stage; repeatable.  [default: its `processes` in the file]",
)
@click.option("--secret", metavar="NAME", help="A Secret whose keys are environment variables.")
@click.option(
    "--secret-files", metavar="NAME", help="A Secret whose keys are the files that settings name."
)
@click.option(
    "--without",
    type=click.Choice(SERVICES),
    multiple=True,
    help="A service that runs elsewhere; repeatable.",
)
@click.option("--prometheus-operator", is_flag=True, help="A ServiceMonitor, too.")
@click.option("--keda", is_flag=True, help="Let KEDA decide how many pods a stage has.")
@json_option
@click.pass_obj
def manifests(
    context: CliContext,
    file: Path | None,
    image: str,
    kube_namespace: str | None,
    counts: tuple[str, ...],
    secret: str | None,
    secret_files: str | None,
    without: tuple[str, ...],
    prometheus_operator: bool,
    keda: bool,
    as_json: bool,
) -> None:
    """Print what a Kubernetes cluster needs to run a pipeline.

    FILE is by default the folder's topology.yaml. Neither a cluster nor a broker is needed: pipe it
    into `kubectl apply -f -`. The settings in force are in it, but never the value of a secret.
    """
    from farandole.cli.rendering.kubernetes_yaml import kubernetes_yaml
    from farandole.notifier.settings import NotifierSettings
    from farandole.operations.kubernetes.cluster_settings import given_settings
    from farandole.operations.kubernetes.manifests import (
        ManifestsRequest,
        manifest_list,
        render_manifests,
    )

    request = ManifestsRequest(
        image=image,
        cluster_namespace=kube_namespace,
        replicas=dict(_replica_count(each) for each in counts),
        secret=secret,
        secret_files=secret_files,
        without=without,
        prometheus_operator=prometheus_operator,
        keda=keda,
    )
    options = {"bootstrap": context.bootstrap, "namespace": context.namespace}
    derived = context.derive_topology(file)
    rendered = render_manifests(
        request,
        (file or context.file).read_text("utf-8"),
        derived,
        given_settings(context.folder, options),
        NotifierSettings.load(context.folder),
    )
    if as_json:
        print_json(manifest_list(rendered))
    else:
        print_line(kubernetes_yaml(rendered).rstrip("\n"))


def _replica_count(text: str) -> tuple[str, int]:
    """Return the stage and the number of `STAGE=N`. Raises UsageError."""
    stage, _, number = text.partition("=")
    if not (stage and number.isascii() and number.isdigit()):
        raise click.UsageError(f"--replicas: {text!r} is not STAGE=N, for example load=3")
    return stage, int(number)
