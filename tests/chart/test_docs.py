"""The pages about Kubernetes: every block of commands and of values, in order."""
# SPDX-License-Identifier: Apache-2.0
# Blocks that say no language are marked "not run" in the page; tests/docs lists them.
import os
import pathlib
import re
import subprocess
import sys

import pytest

from conftest import CHART, ROOT, template, tool

sys.path.insert(0, str(ROOT / "tests" / "support"))
from pages import pages_of  # noqa: E402

HERE = pathlib.Path(__file__).parent
PAGES = pages_of("tests/chart/test_docs.py")


def blocks(page, language):
    """The blocks of a page without the indentation they have in lists."""
    for match in re.finditer(rf"(?ms)^( *)```{language}\n(.*?)^ *```$", (ROOT / "docs" / page).read_text()):
        yield re.sub(rf"(?m)^{match.group(1)}", "", match.group(2))


@pytest.fixture
def shell(tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("helm", "kubectl"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE}/stand_in.py {name} "$@"\n')
        program.chmod(0o755)
    (tmp_path / "config").symlink_to(ROOT / "config")
    for name in ("tls.crt", "tls.key", "tokens"):
        (tmp_path / name).write_text("for the page")
    state = tmp_path / "state"
    state.mkdir()
    packages = ":".join(p for p in sys.path if "site-packages" in p)
    environment = {**os.environ, "REAL_HELM": tool("helm"), "STATE": str(state), "PYTHONPATH": packages,
                   "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(text):
        return subprocess.run(["sh", "-eu", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True)
    return run


def test_the_commands(shell):
    texts = [text for page in PAGES for text in blocks(page, "sh")]
    assert len(texts) >= 6
    for text in texts:
        done = shell(text)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def test_a_wrong_name_would_be_found(shell):
    install = next(blocks("kubernetes.md", "sh")).replace("helm uninstall", "true helm uninstall")
    assert shell(install).returncode == 0
    assert shell("kubectl --namespace tracing rollout status statefulset/gate").returncode != 0
    assert shell("helm upgrade other config/chart --namespace tracing").returncode != 0


@pytest.mark.parametrize("page", PAGES)
def test_the_values(page, tmp_path):
    texts = list(blocks(page, "yaml"))
    assert texts
    for i, text in enumerate(texts):
        values = tmp_path / f"{i}.yaml"
        values.write_text(text)
        upstream = () if "addresses" in text or "selector" in text else ("--set", "upstream.addresses={oap:11800}")
        result = template("--values", values, *upstream)
        assert result.returncode == 0, f"{text}\n{result.stderr}"


def test_the_figures_of_the_page():
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    result = template("--values", CHART / "ci" / "minimal.yaml")
    assert "max: 5836MiB" in result.stdout and "8Gi leave 5836MiB" in page
    night = 2000 * 750 * 12 * 3600
    assert f"{night / 1e9:.0f} GB" == "65 GB" and "needs 65 GB: 72Gi" in page
    assert (night + 1.5 * (1 << 30)) / 0.9 / (1 << 30) < 72
