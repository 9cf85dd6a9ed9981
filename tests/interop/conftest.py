"""Where the programs of others are, and the fixtures of tests/system."""
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
SYSTEM = TESTS / "system"
sys.path[:0] = [str(SYSTEM), str(TESTS / "support")]
spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system = importlib.util.module_from_spec(spec)
sys.modules["system_conftest"] = system
spec.loader.exec_module(system)

TOOLS = pathlib.Path(os.environ.get("SPANGATE_TOOLS", system.ROOT / "build" / "tools" / "bin"))

backend = system.backend
start = system.start
gate = system.gate


def tool(name):
    """Its path; the test is skipped where it is not built (which fails in CI)."""
    path = TOOLS / name
    if not path.exists():
        pytest.skip(f"no {path}: make tools")
    return str(path)
