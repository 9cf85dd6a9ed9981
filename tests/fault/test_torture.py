"""The torture programs at the size of CI; "make torture" runs them at full size."""
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import subprocess

import pytest

from system_conftest import BINARY

PROGRAMS = os.environ.get(
    "SPANGATE_TORTURE", str(pathlib.Path(BINARY).parent / "release" / "tests" / "torture"))


def run(program, directory, *flags, limit_s=300):
    path = pathlib.Path(PROGRAMS) / program
    if not path.exists():
        pytest.skip(f"{path} is not built")
    process = subprocess.Popen([path, "--binary", BINARY, "--dir", directory, *flags],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out, _ = process.communicate(timeout=limit_s)
    finally:
        process.kill()
        process.wait()
    print(out)
    assert process.returncode == 0, out
    return out


def number(out, pattern):
    return int(re.search(pattern, out).group(1))


def test_300_kills_lose_nothing(tmp_path):
    out = run("kill_loop", tmp_path, "--kills", "300")
    assert "kills 300," in out
    assert number(out, r"lost (\d+)") == 0
    # It has tested something: every way to be answered was taken.
    for way in ("streams", "unary", "credited"):
        assert number(out, way + r" (\d+)") > 1000, out


def test_the_kill_loop_sees_a_loss(tmp_path):
    """A buffer in memory loses what it held: if that goes unseen, the test above says nothing."""
    with pytest.raises(AssertionError, match="messages that were answered did not arrive"):
        run("kill_loop", tmp_path, "--kills", "20", "--drain-every", "20", "buffer.mode=memory")


@pytest.mark.parametrize("how", [(), ("--stall",)], ids=["away", "stalled"])
def test_an_outage_under_load(tmp_path, how):
    out = run("outage", tmp_path, "--rate", "5000", "--away", "6", "--memory", "128", *how)
    assert number(out, r"lost (\d+)") == 0
    assert number(out, r"backlog (\d+)") > 10_000, out
