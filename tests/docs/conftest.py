"""Helpers of tests/package and tests/support, for tests of the documents."""
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "package")]


@pytest.fixture(scope="session")
def binary():
    return pathlib.Path(os.environ.get("SPANGATE_BIN", TESTS.parent / "build" / "spangate")).resolve()
