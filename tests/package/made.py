"""What make makes, for the tests of it."""
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

from system_conftest import ROOT


def make(*arguments, directory=ROOT):
    """A make of its own: the job server of the one that runs us is not for it."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "CI")}
    compiler = [f"CC={os.environ['CC']}"] if "CC" in os.environ else []
    done = subprocess.run(["make", "-s", "-j2", *compiler, *arguments], cwd=directory, env=environment,
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def packages(directory):
    return sorted(directory.glob("build/spangate_*.deb"))
