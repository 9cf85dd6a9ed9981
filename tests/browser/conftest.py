"""Where Chromium and its driver are, and the fixtures of tests/system."""
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import os
import pathlib
import shutil
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
SYSTEM = TESTS / "system"
sys.path[:0] = [str(SYSTEM), str(TESTS / "support")]
spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system = importlib.util.module_from_spec(spec)
sys.modules["system_conftest"] = system
spec.loader.exec_module(system)

MODULES = pathlib.Path(os.environ.get("SPANGATE_BROWSER", system.ROOT / "build" / "agents" / "browser")) / "node_modules"

backend = system.backend
start = system.start
gate = system.gate


@pytest.fixture
def node():
    """The environment to run node with; the test is skipped where the browser is missing."""
    chromium = shutil.which("chromium")
    if not chromium or not MODULES.exists():
        pytest.skip("no Chromium, or its driver: make build/agents/browser/ready")
    return {**os.environ, "NODE_PATH": str(MODULES), "CHROMIUM": chromium}
