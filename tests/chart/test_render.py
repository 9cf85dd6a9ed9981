"""What the chart renders: sound for every Kubernetes it names, restricted, and of one piece."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import (BINARY, CHART, NAMES, ROOT, SETS, VERSIONS, container, helm, of_kind, render, settings_file, template,
                      tool, workload)

HERE = pathlib.Path(__file__).resolve().parent
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                      "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("values", SETS, ids=NAMES)
def test_lint(values):
    result = helm("lint", "--strict", CHART, "--values", values)
    assert result.returncode == 0, result.stdout + result.stderr


def test_lint_without_values():
    assert helm("lint", "--strict", CHART).returncode == 0


def validate(work):
    python = ROOT / "build/chart/python/bin/python"
    if not python.exists():
        pytest.skip("no build/chart/python: make build/chart/python/ready")
    result = subprocess.run([python, HERE / "validate.py"], input=json.dumps(work), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_what_kubernetes_takes(rendered, version):
    objects = [one for path in SETS for one in rendered(path) if one["kind"] not in CUSTOM]
    assert len(objects) > 50
    validate({"objects": objects, "versions": [version]})


def test_a_wrong_object_would_be_found(rendered):
    [one] = of_kind(rendered(SETS[0]), "PodDisruptionBudget")
    with pytest.raises(AssertionError, match="maxUnavailble"):
        validate({"objects": [{**one, "spec": {"maxUnavailble": 1}}], "versions": VERSIONS})


@pytest.mark.parametrize("version", ["1.27.0", "1.34.0"])
def test_the_oldest_and_newest_cluster_get_the_same(version):
    values = CHART / "ci" / "everything.yaml"
    assert template("--values", values, version=version).stdout == template("--values", values).stdout


def test_an_older_cluster_is_refused():
    result = template("--values", CHART / "ci" / "minimal.yaml", version="1.26.0")
    assert result.returncode != 0 and "requires kubeVersion" in result.stderr


def pods(objects):
    yield workload(objects)["spec"]["template"]
    yield from of_kind(objects, "Pod")


def test_pods_are_restricted(objects):
    for pod in pods(objects):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert not spec.get("hostNetwork") and not spec.get("hostPID") and not spec.get("hostIPC")
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] == security["runAsGroup"] == 65532
        assert security["fsGroup"] == 65532 and security["seccompProfile"] == {"type": "RuntimeDefault"}
        for one in spec["containers"]:
            assert one["securityContext"] == CONTAINER_SECURITY
            assert all("hostPort" not in port for port in one.get("ports", []))
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= {"configMap", "secret", "emptyDir"}


def test_nothing_asks_the_api_server(objects):
    kinds = {one["kind"] for one in objects}
    assert not kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
    for one in of_kind(objects, "ServiceAccount"):
        assert one["automountServiceAccountToken"] is False


def selects(selector, labels):
    return selector.items() <= labels.items()


def test_selectors_find_what_they_should(objects):
    spec = workload(objects)["spec"]
    labels = spec["template"]["metadata"]["labels"]
    [test] = of_kind(objects, "Pod")
    ports = {port["name"] for port in container(objects)["ports"]}
    assert selects(spec["selector"]["matchLabels"], labels)
    for service in of_kind(objects, "Service"):
        if service["metadata"]["name"].endswith("-oap"):
            continue
        assert selects(service["spec"]["selector"], labels)
        assert not selects(service["spec"]["selector"], test["metadata"]["labels"])
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for one in of_kind(objects, "PodDisruptionBudget"):
        assert selects(one["spec"]["selector"]["matchLabels"], labels)
    for one in of_kind(objects, "HorizontalPodAutoscaler"):
        target = one["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == (workload(objects)["kind"], workload(objects)["metadata"]["name"])
        assert "replicas" not in spec
    for one in of_kind(objects, "ServiceMonitor"):
        matched = [s for s in of_kind(objects, "Service")
                   if selects(one["spec"]["selector"]["matchLabels"], s["metadata"]["labels"])]
        assert len(matched) == 1, "each replica is scraped once"
        assert "telemetry" in [port["name"] for port in matched[0]["spec"]["ports"]]


def test_the_network_policy_lets_the_test_in_and_batches_out(rendered):
    objects = rendered(CHART / "ci" / "monitored.yaml")
    [policy] = of_kind(objects, "NetworkPolicy")
    [test] = of_kind(objects, "Pod")
    assert selects(policy["spec"]["podSelector"]["matchLabels"], workload(objects)["spec"]["template"]["metadata"]["labels"])
    assert not selects(policy["spec"]["podSelector"]["matchLabels"], test["metadata"]["labels"])
    for rule in policy["spec"]["ingress"]:
        selectors = [peer["podSelector"]["matchLabels"] for peer in rule["from"] if "podSelector" in peer]
        assert any(selects(labels, test["metadata"]["labels"]) for labels in selectors)
    out = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]
    assert out == [53, 53, 11800, 4317]
    [policy] = of_kind(rendered(CHART / "ci" / "kafka.yaml"), "NetworkPolicy")
    assert [p["port"] for p in policy["spec"]["egress"][1]["ports"]] == [9092]


def test_a_statefulset_has_its_headless_service(objects):
    one = workload(objects)
    services = {s["metadata"]["name"]: s["spec"] for s in of_kind(objects, "Service")}
    if one["kind"] == "StatefulSet":
        headless = services[one["spec"]["serviceName"]]
        assert headless["clusterIP"] == "None" and headless["publishNotReadyAddresses"] is True
        assert [c["metadata"]["name"] for c in one["spec"]["volumeClaimTemplates"]] == ["data"]
    else:
        [data] = [v for v in one["spec"]["template"]["spec"]["volumes"] if v["name"] == "data"]
        assert data["emptyDir"]["sizeLimit"]


def test_probes_ask_the_telemetry_port(objects):
    one = container(objects)
    paths = {name: one[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": {"path": "/livez", "port": "telemetry"},
                     "livenessProbe": {"path": "/livez", "port": "telemetry"},
                     "readinessProbe": {"path": "/readyz", "port": "telemetry"}}


@pytest.mark.parametrize("arguments, seconds", [
    ((), 35),
    (("--set", "persistence.enabled=false"), 95),
    (("--set", "config.shutdown.flush=5m"), 335),
    (("--set", "config.shutdown.delay=1500ms", "--set", "config.shutdown.drain=0.5h"), 1812),
    (("--set", "config.shutdown.delay=0s", "--set", "config.shutdown.drain=1d"), 86410),
])
def test_the_grace_period_is_the_sum_of_the_waits(arguments, seconds):
    objects = render("--values", CHART / "ci" / "minimal.yaml", *arguments)
    assert workload(objects)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == seconds


@pytest.mark.parametrize("release, more", [
    ("r" * 53, ()), ("spangate", ()), ("a-very-long-name-for-a-release-of-this-chart-spangate", ()),
    ("r", ("--set", f"fullnameOverride={'n' * 52}")),
])
def test_names_fit(release, more):
    objects = render("--values", CHART / "ci" / "selector.yaml", "--set", "fullnameOverride=", *more, release=release)
    for one in objects:
        assert re.fullmatch("[a-z]([-a-z0-9]{0,61}[a-z0-9])?", one["metadata"]["name"]), one["metadata"]["name"]
        assert all(len(value) <= 63 for value in one["metadata"]["labels"].values())
    assert len(workload(objects)["metadata"]["name"]) + len("-0123456789") <= 63


def test_common_labels_are_everywhere_but_in_selectors():
    objects = render("--values", CHART / "ci" / "monitored.yaml", "--set", "commonLabels.owner=sre")
    for one in objects:
        if one["kind"] != "Pod":
            assert one["metadata"]["labels"]["owner"] == "sre", one["kind"]
    assert "owner" not in json.dumps([o["spec"].get("selector") for o in objects if "spec" in o])


def test_the_variables_of_services_are_off(objects):
    assert workload(objects)["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_a_changed_file_restarts_the_pods_unless_they_watch_it():
    def annotations(*arguments):
        objects = render("--values", CHART / "ci" / "minimal.yaml", *arguments)
        return workload(objects)["spec"]["template"]["metadata"].get("annotations", {})

    first = annotations()["checksum/config"]
    assert annotations()["checksum/config"] == first
    assert annotations("--set", "config.log.level=debug")["checksum/config"] != first
    assert "checksum/config" not in annotations("--set", "config.reload.watch=true")


def test_the_satellite_variables_are_kept(rendered):
    env = container(rendered(CHART / "ci" / "satellite.yaml"))["env"]
    assert {"name": "SATELLITE_LOGGER_LEVEL", "value": "debug"} in env


def test_volumes_hold_what_the_settings_use():
    import yaml

    def spool(*arguments):
        objects = render("--values", CHART / "ci" / "minimal.yaml", *arguments)
        return yaml.safe_load(settings_file(objects))["buffer"]["disk"]["max"]

    assert spool() == "5836MiB"  # 8192 x 0.9 - 1024 - 512
    assert spool("--set", "persistence.size=100Gi") == "90624MiB"
    assert spool("--set", "config.buffer.disk.max=3GiB") == "3GiB"
    assert spool("--set", "config.quarantine.max=512MiB") == "6348MiB"


def checked(path, tmp_path):
    """What the real binary says of a rendered file."""
    return subprocess.run([BINARY, "check-config", "-c", path], capture_output=True, text=True, cwd=tmp_path, env={})


# The files of secrets are there in the pod alone: test_pod.py starts those.
@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("own-file", "tls-tokens", "everything")])
def test_the_program_takes_the_file(rendered, tmp_path, name):
    file = tmp_path / "spangate.yaml"
    file.write_text(settings_file(rendered(CHART / "ci" / f"{name}.yaml")))
    file.chmod(0o600)
    result = checked(file, tmp_path)
    if name == "kafka" and "C111" in result.stdout:
        return  # a program without Kafka takes the rest of it
    assert result.returncode == 0, result.stdout


def test_a_file_of_ones_own_is_overlaid_by_variables(rendered, tmp_path):
    one = container(rendered(CHART / "ci" / "own-file.yaml"))
    file = tmp_path / "spangate.yaml"
    file.write_text("log: {level: error, format: json}\nlisten: {grpc: {address: 127.0.0.1:1}}\n")
    env = {variable["name"]: variable["value"] for variable in one["env"]}
    result = subprocess.run([BINARY, "config", "show", "-c", file, "--format", "json"], capture_output=True, text=True,
                            env=env)
    assert result.returncode == 0, result.stderr
    shown = {path: row["value"] for path, row in json.loads(result.stdout).items()}
    assert shown["listen.grpc.address"] == "0.0.0.0:11800"
    assert shown["log.level"] == "debug" and shown["log.format"] == "json"
    assert shown["integrity.mode"] == "off"
    assert shown["integrity.actions"] == {"span-parent-missing": "observe"}
    assert shown["upstream.addresses"] == ["oap-a.skywalking:11800", "oap-b.skywalking:11800"]


def test_settings_that_are_maps_stay_whole_as_variables():
    options = (ROOT / "server/tables/options.h").read_text()
    rows = re.findall(r"OPTION\(([a-z_.]*), (\w+), (?:PAIRS|ACTIONS),", options)
    assert rows
    config = (CHART / "templates" / "_config.tpl").read_text()
    for section, name in rows:
        assert f'"SPANGATE_{(section + name).upper().replace(".", "__")}"' in config


def test_the_settings_in_values_are_all_there_and_right(tmp_path):
    import yaml
    lines = (CHART / "values.yaml").read_text().partition("\nconfig:\n")[2].split("\n")
    config = yaml.safe_load("\n".join(re.sub(r"^  (# )?", "", line) for line in lines))
    example = subprocess.run([BINARY, "config", "example"], capture_output=True, text=True, check=True).stdout
    assert config == yaml.safe_load(re.sub("(?m)^#(?! )", "", re.sub("(?m)^#(  )", r"\1", example)))
    schema = json.loads((CHART / "values.schema.json").read_text())
    validate({"schema": schema, "document": {"config": config}})


def test_alerts_link_to_a_copy_of_the_runbooks():
    where = "https://docs.example/runbooks.html"
    objects = render("--values", CHART / "ci" / "monitored.yaml", "--set", f"prometheusRule.runbookUrl={where}")
    [made] = of_kind(objects, "PrometheusRule")
    rules = [rule for group in made["spec"]["groups"] for rule in group["rules"]]
    assert len(rules) > 20
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"{where}#{rule['alert'].lower()}"


def test_rules_and_dashboard_are_those_of_the_repository(rendered, tmp_path):
    import yaml
    objects = rendered(CHART / "ci" / "monitored.yaml")
    [rule] = of_kind(objects, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "config/alerts/spangate.rules.yaml").read_text())
    [monitor] = of_kind(objects, "ServiceMonitor")
    [relabeling] = monitor["spec"]["endpoints"][0]["relabelings"]
    assert relabeling == {"targetLabel": "job", "replacement": "spangate/tracing/r-spangate"}
    for pattern in set(re.findall(r'job=~"([^"]+)"', json.dumps(rule["spec"]).replace('\\"', '"'))):
        assert re.fullmatch(pattern, relabeling["replacement"])
    [board] = [o for o in of_kind(objects, "ConfigMap") if "spangate.json" in o["data"]]
    assert json.loads(board["data"]["spangate.json"]) == json.loads((ROOT / "config/grafana/spangate.json").read_text())
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rule["spec"]))
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    result = subprocess.run([tool("promtool"), "check", "rules", file], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("values, words", [
    ("minimal", ["SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE=r-spangate.tracing.svc:11800", "Java", "Python", "Node.js",
                 "SW_AGENT_COLLECTOR_BACKEND_SERVICES=r-spangate.tracing.svc:11800", "helm test r",
                 "port-forward r-spangate-0 11880", "volume is kept"]),
    ("stateless", ["forwarded within 1.5m", "port-forward deploy/r-spangate 11880"]),
    ("tls-tokens", ["Over TLS: port 11800", "a token of the Secret agent-tokens"]),
    ("trial", ["WARNING: config.upstream.kind is sink"]),
])
def test_notes_tell_what_to_do_next(tmp_path, values, words):
    copy = tmp_path / "spangate"
    shutil.copytree(CHART, copy)
    # "helm template" does not show them.
    (copy / "templates" / "shown.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shown}\ndata:\n  notes: |\n"
        "    {{- include (print $.Template.BasePath \"/NOTES.txt\") . | nindent 4 }}\n")
    [shown] = [o for o in render("--values", CHART / "ci" / f"{values}.yaml", chart=copy)
               if o["metadata"]["name"] == "shown"]
    for word in words:
        assert word in shown["data"]["notes"]
