"""The verb ci around a test suite under the real Python agent: clean, and told so."""
# SPDX-License-Identifier: Apache-2.0
import os
import re
import subprocess

import pytest

from test_agents import BINARY, HERE, PARTS, PATIENCE_S


def test_a_suite_under_the_python_agent_is_clean(tmp_path):
    if not (PARTS / "python/ready").exists():
        pytest.skip("the agent is not there: make check-agents fetches it")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SW_", "SPANGATE_"))}
    report = tmp_path / "traces.xml"
    done = subprocess.run(
        [BINARY, "ci", "--junit", str(report), "--min-segments", "20", "--",
         str(PARTS / "python/bin/python"), str(HERE / "suite_python.py")],
        capture_output=True, text=True, timeout=2 * PATIENCE_S,
        env={**kept, "SW_AGENT_NAME": "shop-python", "SW_AGENT_INSTANCE_NAME": "python-1",
             "SW_AGENT_LOGGING_LEVEL": "ERROR"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nOK\n" in done.stderr  # the suite's own words
    found = re.search(r"^shop-python  python-1 \(python\)  (\d+) segments, ", done.stdout, re.M)
    assert found and int(found.group(1)) >= 20, done.stdout
    assert "RESULT    good: clean" in done.stdout and "!!" not in done.stdout
    assert ' failures="0" errors="0"' in report.read_text()
