"""The verb load: all that falls due is sent, and a mistyped damage is answered with its neighbour."""
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess

from conftest import BINARY, PATIENCE


def load(*arguments):
    return subprocess.run([BINARY, "load", *arguments], capture_output=True, text=True,
                          timeout=PATIENCE * 3)


def test_nothing_that_fell_due_stays_unsent(gate, backend):
    """Each round makes several calls: those of the last one count, too."""
    for _ in range(3):
        ended = load("--addr", gate.address, "--rate", "4000", "--per-call", "1",
                     "--duration", "301ms")
        assert "1204 acknowledged of 1204 sent" in ended.stdout, ended.stdout
        assert "unsent    0" in ended.stdout
        assert ended.returncode == 0
    gate.wait_settled()
    assert len(backend.segments()) == 3 * 1204


def test_no_percentile_is_above_the_longest(gate):
    ended = load("--addr", gate.address, "--rate", "500", "--duration", "300ms", "--format", "json")
    told = json.loads(ended.stdout)
    assert 0 < told["p50_ms"] <= told["p90_ms"] <= told["p99_ms"] <= told["max_ms"], told


def test_a_mistyped_damage():
    ended = load("--corrupt", "span-parent-misng:1%")
    assert ended.returncode == 64
    assert 'did you mean "span-parent-missing"?' in ended.stderr


def test_an_unknown_damage_names_all():
    ended = load("--corrupt", "zzz:1%")
    assert ended.returncode == 64
    assert "  proto-undecodable\n" in ended.stderr
    assert "  poison-cache-tag-repeat\n" in ended.stderr
