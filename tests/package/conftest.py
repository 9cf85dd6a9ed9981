"""Helpers of tests/system, for tests of what is installed."""
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import pathlib
import shutil
import sys

import pytest

SYSTEM = pathlib.Path(__file__).resolve().parents[1] / "system"
sys.path[:0] = [str(SYSTEM), str(pathlib.Path(__file__).parent)]
spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system = importlib.util.module_from_spec(spec)
sys.modules["system_conftest"] = system
spec.loader.exec_module(system)

from made import make, packages  # noqa: E402


@pytest.fixture(scope="session")
def package():
    for tool in ("dpkg-deb", "dpkg-shlibdeps"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (package dpkg-dev)")
    for old in packages(system.ROOT):
        old.unlink()
    make("deb")
    (found,) = packages(system.ROOT)
    return found
