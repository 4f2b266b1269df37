"""Do the objects for a cluster fit Kubernetes, each other, and what Farandole knows?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from farandole.broker.settings import Settings
from farandole.cli.__main__ import farandole
from farandole.cli.commands import manifests as command
from farandole.notifier.settings import NotifierSettings
from farandole.operations.errors import InvalidRequestError, NotFoundError, RefusedError
from farandole.operations.kubernetes.config_maps import MAX_CONFIG_MAP_BYTES, TOPOLOGY_KEY
from farandole.operations.kubernetes.manifests import ManifestsRequest, manifest_list
from farandole.operations.kubernetes.object_names import Manifest
from farandole.operations.kubernetes.parts import SERVICES, service_parts
from farandole.operations.setup.show_settings import known_variables
from farandole.services.companion_services import COMPANION_COMMANDS, companion_service
from farandole.services.invocation import Invocation
from farandole.services.supervisor import DRAIN_TIMEOUT
from tests.operations.rendered_manifests import (
    FILE,
    FULL,
    GIVEN,
    PLAIN,
    SECURED,
    container_of,
    derived,
    named,
    of_kind,
    pod_of,
    rendered,
    values,
)

OLDEST, NEWEST = "1.30", "1.37"
OTHERS = ("keda.sh/v1alpha1", "monitoring.coreos.com/v1")  # test_kubernetes_models
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plain() -> list[Manifest]:
    return rendered()


@pytest.fixture(scope="module")
def full() -> list[Manifest]:
    return rendered(FULL, SECURED)


@pytest.fixture(scope="module", params=["plain", "full"])
def either(request: pytest.FixtureRequest) -> list[Manifest]:
    found: list[Manifest] = request.getfixturevalue(request.param)
    return found


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def pod_labels(deployment: Manifest) -> dict[str, str]:
    labels: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return labels


def component_of(object_: Manifest) -> str:
    component: str = object_["metadata"]["labels"]["app.kubernetes.io/component"]
    return component


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_each_object_fits_the_published_schema(either: list[Manifest], version: str) -> None:
    for each in either:
        if each["apiVersion"] not in OTHERS:
            kubernetes_validate.validate(each, version, strict=True)


def test_the_list_fits_it_too(plain: list[Manifest]) -> None:
    made = manifest_list(plain)
    assert (made["apiVersion"], made["kind"], made["items"]) == ("v1", "List", plain)


def test_no_two_objects_of_a_kind_have_one_name(either: list[Manifest]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in either]
    assert len(set(names)) == len(names)


def test_a_deployment_selects_its_own_pods_and_no_others(either: list[Manifest]) -> None:
    deployments = of_kind("Deployment", either)
    for each in deployments:
        selector = each["spec"]["selector"]["matchLabels"]
        selected = [d for d in deployments if selects(selector, pod_labels(d))]
        assert selected == [each]
        (spread,) = pod_of(each)["topologySpreadConstraints"]
        assert spread["labelSelector"] == each["spec"]["selector"]


@pytest.mark.parametrize("kind", ["PodDisruptionBudget", "NetworkPolicy", "Service"])
def test_what_selects_pods_finds_some(either: list[Manifest], kind: str) -> None:
    found = of_kind(kind, either)
    assert found
    for each in found:
        selector = each["spec"].get("podSelector", each["spec"].get("selector"))
        labels = selector.get("matchLabels", selector)
        chosen = [d for d in of_kind("Deployment", either) if selects(labels, pod_labels(d))]
        assert chosen, each["metadata"]["name"]


def test_a_port_that_is_named_exists(either: list[Manifest]) -> None:
    for deployment in of_kind("Deployment", either):
        container = container_of(deployment)
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
        for service in of_kind("Service", either):
            if selects(service["spec"]["selector"], pod_labels(deployment)):
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_each_port_that_a_pod_serves_is_let_in_and_no_other(plain: list[Manifest]) -> None:
    for deployment in of_kind("Deployment", plain):
        served = {port["name"] for port in container_of(deployment)["ports"]}
        let_in = {
            port["port"]
            for policy in of_kind("NetworkPolicy", plain)
            if selects(policy["spec"]["podSelector"]["matchLabels"], pod_labels(deployment))
            for rule in policy["spec"]["ingress"]
            for port in rule["ports"]
        }
        assert let_in == served


def test_nobody_but_the_pipeline_reaches_the_monitor(plain: list[Manifest]) -> None:
    policy = named("NetworkPolicy", "order-lines-monitor", plain)
    (source,) = policy["spec"]["ingress"][0]["from"]
    assert source == {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": "order-lines"}}}


def test_every_variable_is_a_setting_that_farandole_knows(either: list[Manifest]) -> None:
    told = {variable for each in of_kind("ConfigMap", either) for variable in each["data"]}
    for deployment in of_kind("Deployment", either):
        told |= {each["name"] for each in container_of(deployment).get("env", [])}
    assert told - {TOPOLOGY_KEY} <= set(known_variables())


def test_every_config_map_and_secret_that_is_used_is_there_or_asked_for(
    either: list[Manifest],
) -> None:
    there = {each["metadata"]["name"] for each in of_kind("ConfigMap", either)}
    for deployment in of_kind("Deployment", either):
        sources = [*container_of(deployment)["envFrom"], *pod_of(deployment)["volumes"]]
        for source in sources:
            if "configMapRef" in source:
                assert source["configMapRef"]["name"] in there
            if "configMap" in source:
                assert source["configMap"]["name"] in there


def test_each_mount_has_its_volume(either: list[Manifest]) -> None:
    for deployment in of_kind("Deployment", either):
        volumes = {volume["name"] for volume in pod_of(deployment)["volumes"]}
        assert {mount["name"] for mount in container_of(deployment)["volumeMounts"]} == volumes


def test_each_stage_that_workers_host_has_its_deployment(plain: list[Manifest]) -> None:
    workers = [d for d in of_kind("Deployment", plain) if component_of(d) == "worker"]
    words = [container_of(each)["args"][2:] for each in workers]
    assert words == [["work", stage, "--processes", "1"] for stage in derived().stages]


def test_a_stage_of_a_foreign_program_has_none() -> None:
    topology = derived()
    load = topology.stages["load"].model_copy(update={"external": True})
    relayed = topology.stages["price"].model_copy(update={"external": "at-least-once"})
    made = replace(topology, stages={**topology.stages, "load": load, "price": relayed})
    names = {each["metadata"]["name"] for each in of_kind("Deployment", rendered(topology=made))}
    assert "order-lines-stage-load" not in names
    assert "order-lines-stage-price" in names  # lanes of ours relay what its program writes


@pytest.mark.parametrize("command_words", [part.words for part in SERVICES.values()])
def test_each_service_runs_a_command_that_there_is(command_words: tuple[str, ...]) -> None:
    assert farandole.get_command(None, command_words[0]) is not None  # type: ignore[arg-type]


def test_every_service_beside_the_workers_is_rendered() -> None:
    assert {part.words[0] for part in SERVICES.values()} == set(COMPANION_COMMANDS)
    assert tuple(SERVICES) == command.SERVICES


def test_a_service_that_runs_elsewhere_is_left_out() -> None:
    made = rendered(replace(PLAIN, without=("monitor", "web")))
    assert {component_of(each) for each in made}.isdisjoint({"monitor", "web"})
    settings = named("ConfigMap", "order-lines-settings", made)["data"]
    assert settings.keys().isdisjoint({"FARANDOLE_MONITOR_URL", "FARANDOLE_WEB_HOSTS"})


def test_what_must_run_alone_never_runs_twice(plain: list[Manifest]) -> None:
    for name in ("order-lines-router", "order-lines-monitor"):
        spec = named("Deployment", name, plain)["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_what_may_run_twice_survives_the_loss_of_a_node(plain: list[Manifest]) -> None:
    several = {
        each["metadata"]["name"]
        for each in of_kind("Deployment", plain)
        if each["spec"]["replicas"] > 1
    }
    assert several == {f"order-lines-{n}" for n in ("bookkeeper", "scheduler", "notifier")}
    budgets = of_kind("PodDisruptionBudget", plain)
    assert {each["metadata"]["name"] for each in budgets} == several
    assert {each["spec"]["maxUnavailable"] for each in budgets} == {1}


def test_a_stage_has_as_many_pods_as_the_file_has_processes_unless_it_is_said() -> None:
    made = rendered(replace(PLAIN, replicas={"load": 5}), topology=derived(load=2, price=3))
    counts = {n: named("Deployment", f"order-lines-stage-{n}", made) for n in ("load", "price")}
    assert {name: each["spec"]["replicas"] for name, each in counts.items()} == {
        "load": 5, "price": 3,
    }  # fmt: skip


def test_pods_are_nobody_and_can_write_nothing(either: list[Manifest]) -> None:
    for deployment in of_kind("Deployment", either):
        pod, container = pod_of(deployment), container_of(deployment)
        dockerfile = (ROOT / "Dockerfile").read_text()
        assert f"USER {pod['securityContext']['runAsUser']}:" in dockerfile
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "cpu" not in container["resources"]["limits"]


def test_no_variable_of_a_service_hides_a_setting(either: list[Manifest]) -> None:
    """Kubernetes would set FARANDOLE_WEB_PORT=tcp://… for a Service farandole-web."""
    assert {pod_of(each)["enableServiceLinks"] for each in of_kind("Deployment", either)} == {False}


def test_the_topology_is_mounted_as_a_folder_so_that_an_update_arrives(
    plain: list[Manifest],
) -> None:
    for deployment in of_kind("Deployment", plain):
        (mount,) = (
            mount for mount in container_of(deployment)["volumeMounts"]
            if mount["name"] == "topology"
        )  # fmt: skip
        assert "subPath" not in mount
        assert container_of(deployment)["args"][:2] == ["-f", f"{mount['mountPath']}/topology.yaml"]


def test_the_topology_is_the_text_of_the_file(plain: list[Manifest]) -> None:
    data = named("ConfigMap", "order-lines-topology", plain)["data"]
    assert data == {"topology.yaml": FILE.read_text()}


def test_other_settings_replace_the_pods_and_another_topology_does_not() -> None:
    def annotations(**changes: Any) -> dict[str, str]:
        made = rendered(**changes)
        template = named("Deployment", "order-lines-router", made)["spec"]["template"]
        found: dict[str, str] = template["metadata"]["annotations"]
        return found

    before = annotations()
    assert annotations(text="another text") == before
    slower = replace(GIVEN, plain={**GIVEN.plain, "FARANDOLE_DEADLINE": "5"})
    assert annotations(given=slower) != before


@pytest.mark.parametrize("name", [*SERVICES])
def test_a_service_is_given_the_time_that_a_supervisor_gives_it(name: str, tmp_path: Path) -> None:
    parts = service_parts((), NotifierSettings())
    (part,) = (part for part in parts if part.component == name)
    (word,) = part.words
    supervised = companion_service(Invocation(tmp_path), Settings(), word, level="info")  # type: ignore[arg-type]
    assert part.grace_seconds >= supervised.drain_timeout


def test_a_worker_is_given_the_time_to_drain(plain: list[Manifest]) -> None:
    worker = named("Deployment", "order-lines-stage-load", plain)
    assert pod_of(worker)["terminationGracePeriodSeconds"] > DRAIN_TIMEOUT


def test_the_grace_periods_are_those_of_compose(plain: list[Manifest]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    compose = YAML(typ="safe").load(text)["services"]
    for name in SERVICES:
        seconds = pod_of(named("Deployment", f"order-lines-{name}", plain))
        assert f"{seconds['terminationGracePeriodSeconds']}s" == compose[name]["stop_grace_period"]


def test_keda_scales_each_stage_from_one_worker_to_its_lanes(full: list[Manifest]) -> None:
    counts = {
        each["metadata"]["labels"]["farandole/stage"]: (
            each["spec"]["minReplicaCount"], each["spec"]["maxReplicaCount"],
        )
        for each in of_kind("ScaledObject", full)
    }  # fmt: skip
    assert counts == {
        **dict.fromkeys(derived().stages, (1, 4)), "plan": (1, 1), "report": (1, 1), "load": (3, 4),
    }  # fmt: skip


def test_keda_asks_for_the_group_and_the_inputs_of_the_stage(full: list[Manifest]) -> None:
    scaled = named("ScaledObject", "blue--order-lines-stage-load", full)
    assert scaled["spec"]["scaleTargetRef"] == {"name": "blue--order-lines-stage-load"}
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger == {
        "type": "kafka",
        "metadata": {
            "bootstrapServers": "kafka-1:9093,kafka-2:9093",
            "consumerGroup": "blue.order-lines.load",
            "topic": "blue.order-lines.line.priced",
            "lagThreshold": "1000",
            "offsetResetPolicy": "earliest",
            "sasl": "scram_sha512",
            "tls": "enable",
        },
        "authenticationRef": {"name": "blue--order-lines-kafka"},
    }


def test_keda_finds_user_password_and_certificates_where_the_pods_do(full: list[Manifest]) -> None:
    (authentication,) = of_kind("TriggerAuthentication", full)
    assert authentication["spec"] == {
        "env": [
            {
                "parameter": "username",
                "name": "FARANDOLE_SASL_USERNAME",
                "containerName": "farandole",
            }
        ],
        "secretTargetRef": [
            {"parameter": "password", "name": "passwords", "key": "FARANDOLE_SASL_PASSWORD"},
            {"parameter": "ca", "name": "certificates", "key": "kafka-ca.pem"},
            {"parameter": "cert", "name": "certificates", "key": "client.pem"},
            {"parameter": "key", "name": "certificates", "key": "client.key"},
        ],
    }


def test_a_kafka_that_asks_nobody_needs_no_authentication() -> None:
    made = rendered(replace(PLAIN, keda=True))
    assert of_kind("TriggerAuthentication", made) == []
    triggers = [t for each in of_kind("ScaledObject", made) for t in each["spec"]["triggers"]]
    assert triggers
    assert all("authenticationRef" not in trigger for trigger in triggers)


def test_a_deployment_leaves_its_number_of_pods_to_keda(full: list[Manifest]) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind("ScaledObject", full)}
    without = {d["metadata"]["name"] for d in of_kind("Deployment", full)
               if "replicas" not in d["spec"]}  # fmt: skip
    assert scaled == without


def test_prometheus_operator_finds_the_service_of_the_metrics(full: list[Manifest]) -> None:
    (monitor,) = of_kind("ServiceMonitor", full)
    (service,) = (
        each for each in of_kind("Service", full)
        if selects(monitor["spec"]["selector"]["matchLabels"], each["metadata"]["labels"])
    )  # fmt: skip
    (endpoint,) = monitor["spec"]["endpoints"]
    assert [port["name"] for port in service["spec"]["ports"]] == [endpoint["port"]]
    chosen = [d for d in of_kind("Deployment", full)
              if selects(service["spec"]["selector"], pod_labels(d))]  # fmt: skip
    assert chosen == of_kind("Deployment", full)


def test_the_extras_are_only_there_where_they_are_asked_for(plain: list[Manifest]) -> None:
    assert {each["apiVersion"] for each in plain}.isdisjoint(OTHERS)


def test_every_object_is_in_the_namespace_that_was_named(full: list[Manifest]) -> None:
    assert {each["metadata"]["namespace"] for each in full} == {"data"}


def test_no_object_is_in_a_namespace_unless_one_was_named(plain: list[Manifest]) -> None:
    assert all("namespace" not in each["metadata"] for each in plain)


def test_the_console_may_be_asked_under_the_names_of_its_service(full: list[Manifest]) -> None:
    hosts = named("ConfigMap", "blue--order-lines-settings", full)["data"]["FARANDOLE_WEB_HOSTS"]
    assert "blue--order-lines-web.data.svc" in hosts.split(",")


def test_the_same_file_is_rendered_the_same_way_again() -> None:
    assert rendered(FULL, SECURED) == rendered(FULL, SECURED)


def test_every_value_is_plain_data(full: list[Manifest]) -> None:
    assert {type(value) for value in values(full)} <= {str, int, bool}


def test_a_file_that_no_config_map_holds_is_refused() -> None:
    largest = MAX_CONFIG_MAP_BYTES - len("topology.yaml")
    assert rendered(text="x" * largest)
    with pytest.raises(RefusedError, match="a ConfigMap of Kubernetes may have 1048576") as refused:
        rendered(text="ä" * (largest // 2 + 1))
    assert refused.value.code == "file_too_large"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": "two words"}, "is no name of an image"),
        ({"cluster_namespace": "Data"}, "is no namespace of Kubernetes"),
        ({"secret": "a/b"}, "is no name of a Secret"),
        ({"secret_files": "-"}, "is no name of a Secret"),
        ({"replicas": {"load": 0}}, "load=0: a stage has 1 to 1000 replicas"),
    ],
)
def test_a_request_that_no_cluster_takes_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        rendered(replace(PLAIN, **changes))


def test_a_misspelt_stage_is_named_with_the_one_that_was_meant() -> None:
    request = ManifestsRequest("image", replicas={"laod": 2})
    with pytest.raises(NotFoundError, match="did you mean 'load'"):
        rendered(request)
