"""kubeconform: every value set as helm prints it, for every Kubernetes the chart names."""
# SPDX-License-Identifier: Apache-2.0
# Its schemas come from the package kubernetes-validate, never over the network.
import json
import subprocess

import pytest

import schemas
from conftest import NAMES, ROOT, SETS, VERSIONS, template, tool

# What no Kubernetes has by itself: the Prometheus operator's.
CUSTOM = "monitoring.coreos.com/v1/ServiceMonitor,monitoring.coreos.com/v1/PrometheusRule"


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """A folder with a file per value set."""
    folder = tmp_path_factory.mktemp("sets")
    for path in SETS:
        result = template("--values", path)
        assert result.returncode == 0, result.stderr
        (folder / path.name).write_text(result.stdout)
    return folder


def kubeconform(version, folder, directory):
    """Its result per object, as {(file, kind, name): (status, words)}."""
    sources = list(ROOT.glob("build/chart/python/lib/python3*/site-packages/kubernetes_validate/kubernetes-json-schema"))
    if not sources:
        pytest.skip("no build/chart/python: make build/chart/python/ready")
    schemas.write(directory, sources[0], version, folder)
    done = subprocess.run(
        [tool("kubeconform"), "-strict", "-verbose", "-output", "json", "-kubernetes-version", f"{version}.0",
         "-skip", CUSTOM, "-schema-location", f"{directory}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json", folder],
        capture_output=True, text=True, timeout=60)
    results = json.loads(done.stdout)["resources"]
    bad = [one for one in results if one["status"] not in ("statusValid", "statusSkipped")]
    assert (done.returncode != 0) == bool(bad), done.stdout + done.stderr
    return results, bad


@pytest.mark.parametrize("version", VERSIONS)
def test_every_set_conforms(printed, tmp_path, version):
    results, bad = kubeconform(version, printed, tmp_path)
    assert not bad
    assert {one["filename"].rpartition("/")[2].removesuffix(".yaml") for one in results} == set(NAMES)
    skipped = {one["kind"] for one in results if one["status"] == "statusSkipped"}
    assert skipped == {"ServiceMonitor", "PrometheusRule"}


WRONG = {
    "unknown-key": ("terminationGracePeriodSeconds:", "terminationGracePeriod:"),
    "wrong-kind": ("automountServiceAccountToken: false", "automountServiceAccountToken: sometimes"),
    "unknown-version": ("apiVersion: apps/v1\n", "apiVersion: apps/v1beta9\n"),
    "key-twice": ("    spec:\n", "    spec:\n      automountServiceAccountToken: true\n"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_set_is_found(printed, tmp_path, name):
    right, wrong = WRONG[name]
    text = (printed / "minimal.yaml").read_text()
    assert right in text
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "wrong.yaml").write_text(text.replace(right, wrong, 1))
    _, bad = kubeconform(VERSIONS[0], tmp_path / "sets", tmp_path)
    assert bad
