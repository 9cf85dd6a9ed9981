"""The demo: what a newcomer sees first."""
# SPDX-License-Identifier: Apache-2.0
import re
import subprocess

from conftest import BINARY, PATIENCE


def test_the_demo_finds_what_it_injected_and_says_what_it_means():
    done = subprocess.run([BINARY, "demo", "--duration", "3s", "--seed", "7"], text=True,
                          capture_output=True, timeout=6 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^([a-z0-9-]+) +(\d+) +(\d+)  \w+$", done.stdout, re.M)
    assert len(rows) >= 10
    assert all(int(injected) == int(found) for _, injected, found in rows), done.stdout
    assert sum(int(found) for _, _, found in rows) > 0
    assert "false alarms 0" in done.stdout and "imbalance 0" in done.stdout
    assert re.search(r"^D1 +memory race: checkout-go \(\d instances?\)$", done.stdout, re.M), done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr  # the one that says what runs
