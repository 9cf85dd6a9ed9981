"""Fixtures of tests/system for the tests that need a running gate."""
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import pathlib
import sys

SYSTEM = pathlib.Path(__file__).resolve().parents[1] / "system"
sys.path.insert(0, str(SYSTEM))
spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system = importlib.util.module_from_spec(spec)
sys.modules["system_conftest"] = system
spec.loader.exec_module(system)
