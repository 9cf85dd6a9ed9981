"""h2spec, strict: all 146 cases of HTTP/2 and HPACK, in clear text and over TLS."""
# SPDX-License-Identifier: Apache-2.0
# The tool is built into SPANGATE_TOOLS (default build/tools/bin). A case it skips counts as not
# passed: it skips where an answer has no body to try flow control with.
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as tree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
from backend import Backend  # noqa: E402
from certificates import Authority  # noqa: E402

TOOL = pathlib.Path(os.environ.get("SPANGATE_TOOLS", ROOT / "build" / "tools" / "bin")) / "h2spec"
BINARY = os.environ.get("SPANGATE_BIN", str(ROOT / "build" / "spangate"))
PATIENCE_S = float(os.environ.get("SPANGATE_TEST_PATIENCE", "20"))
N_CASES = 146

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"no {TOOL}: make tools")


class Gate:
    """A running process, its ports read from the start lines."""

    def __init__(self, directory, backend, pair, n_workers):
        sets = [f"upstream.addresses={backend.address}", f"limits.workers={n_workers}",
                "listen.grpc.address=127.0.0.1:0", "listen.http.address=",
                "listen.grpc_tls.address=127.0.0.1:0", f"listen.grpc_tls.cert_file={pair.cert}",
                f"listen.grpc_tls.key_file={pair.key}", "telemetry.address=127.0.0.1:0",
                "admin.address=127.0.0.1:0", f"buffer.disk.path={directory}/spool",
                f"quarantine.path={directory}/quarantine"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SPANGATE_")}
        self.process = subprocess.Popen(
            [BINARY, "serve", *(word for one in sets for word in ("--set", one))],
            stderr=subprocess.PIPE, text=True, env=kept)
        self.log = []
        self.ports = {}
        for line in self.process.stderr:
            self.log.append(line)
            words = line.split()
            if words[0] == "listening":
                self.ports = {words[i]: words[i + 1].rpartition(":")[2]
                              for i in range(1, len(words) - 1, 2)}
            if words[0] == "telemetry":
                break
        assert self.ports, "".join(self.log)

    def end(self):
        self.process.terminate()
        rest = self.process.communicate(timeout=PATIENCE_S)[1]
        assert self.process.returncode == 0 and "imbalance 0" in rest, rest


@pytest.fixture(params=[1, 4], ids=["1-worker", "4-workers"])
def gate(request, tmp_path):
    backend = Backend()
    one = Gate(tmp_path, backend, Authority(tmp_path).issue("localhost"), request.param)
    try:
        yield one
        one.end()
    finally:
        one.process.kill()
        backend.stop()


def cases_of(report):
    """Of h2spec's JUnit file: passed, and the titles of the others with what went wrong. It puts
    bytes from the wire into the file as they are, which XML does not allow."""
    n_passed, others = 0, []
    text = re.sub("[^\n\t -~]", "?", report.read_text(errors="replace"))
    for case in tree.fromstring(re.sub("&#x[0-9A-Fa-f]+;", "?", text)).iter("testcase"):
        faults = list(case)
        if not faults:
            n_passed += 1
        else:
            others.append(f"{case.get('package')} {case.get('classname')}: "
                          + " ".join((f.text or f.tag).strip() for f in faults))
    return n_passed, others


@pytest.mark.parametrize("kind", ["grpc", "grpc_tls"])
def test_every_case_passes(gate, kind, tmp_path):
    report = tmp_path / "h2spec.xml"
    flags = ["-t", "-k"] if kind == "grpc_tls" else []
    done = subprocess.run([TOOL, "--strict", "-h", "127.0.0.1", "-p", gate.ports[kind],
                           "-o", "5", "-j", report, *flags], capture_output=True, text=True)
    assert report.exists(), done.stdout + done.stderr
    n_passed, others = cases_of(report)
    assert not others and n_passed == N_CASES, "\n".join(others)
