"""Renders the chart with the real helm; what the tests share."""
# SPDX-License-Identifier: Apache-2.0
import glob
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The packages of requirements.txt: their venv is of the same Python.
sys.path[:0] = glob.glob(str(ROOT / "build/chart/python/lib/python3*/site-packages"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

BINARY = os.environ.get("SPANGATE_BIN", str(ROOT / "build" / "spangate"))
TOOLS = os.environ.get("SPANGATE_TOOLS", str(ROOT / "build" / "tools" / "bin"))
PATIENCE = float(os.environ.get("SPANGATE_TEST_PATIENCE", "30"))
CHART = ROOT / "config" / "chart"
SETS = sorted(CHART.glob("ci/*.yaml"))
NAMES = [path.stem for path in SETS]
NAMESPACE = "tracing"
VERSIONS = [f"1.{minor}" for minor in range(27, 35)]  # of Kubernetes


def tool(name):
    found = shutil.which(name, path=f"{TOOLS}:{os.environ['PATH']}")
    if not found:
        pytest.skip(f"no {name}: neither in {TOOLS} nor in PATH")
    return found


def helm(*arguments):
    return subprocess.run([tool("helm"), *map(str, arguments)], capture_output=True, text=True, timeout=60)


def template(*arguments, release="r", version="1.30.0", chart=CHART):
    # A helm built by "go install" takes the cluster for an old one unless told.
    return helm("template", release, chart, "--namespace", NAMESPACE, "--kube-version", version, *arguments)


def render(*arguments, **more):
    """The objects as a list."""
    import yaml
    result = template(*arguments, **more)
    assert result.returncode == 0, result.stderr
    return [one for one in yaml.safe_load_all(result.stdout) if one]


def of_kind(objects, *kinds):
    return [one for one in objects if one["kind"] in kinds]


def workload(objects):
    [one] = of_kind(objects, "StatefulSet", "Deployment")
    return one


def container(objects):
    [one] = workload(objects)["spec"]["template"]["spec"]["containers"]
    return one


def settings_file(objects):
    """spangate.yaml of the chart's own ConfigMap."""
    [one] = [o for o in of_kind(objects, "ConfigMap") if "spangate.yaml" in o["data"]]
    return one["data"]["spangate.yaml"]


@pytest.fixture(scope="session")
def rendered():
    """The objects of a value set, rendered once."""
    kept = {}

    def of(path):
        if path not in kept:
            kept[path] = render("--values", path)
        return kept[path]
    return of


@pytest.fixture(params=SETS, ids=NAMES)
def objects(request, rendered):
    return rendered(request.param)
