"""Measures what TLS costs: the same calls over TLS and in clear text, in one run."""
# SPDX-License-Identifier: Apache-2.0
# h2load sends, the verdict is given, nothing is forwarded (upstream.kind discard): what differs is
# TLS. Rounds interleave the two and the median counts, so that what disturbs the machine disturbs
# both. Nothing here fails on a figure: it reports.
import argparse
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "system"))
import peers  # noqa: E402
import wire  # noqa: E402
from certificates import Authority  # noqa: E402

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
SIZES = (431, 1200)
PER_CALL = (100, 1)
CONNECTIONS = 4
N_HANDSHAKES = 500


def segment(size):
    """Three spans, and a tag that makes it so long."""
    def of(n_bytes):
        spans = [wire.span(i, i - 1, tags=[("blob", "x" * (n_bytes if i == 2 else 4))]) for i in range(3)]
        return wire.segment(list(reversed(spans)))
    return of(max(1, size - len(of(0))))


class Gate:
    def __init__(self, binary, workdir):
        pair = Authority(pathlib.Path(workdir)).issue("localhost")
        self.tls_port = peers.free_port()
        self.server = peers.spangate(pathlib.Path(binary).resolve(), workdir, "spangate", {
            "upstream.kind": "discard", "buffer.ack": "received", "integrity.window": "0s",
            "listen.grpc_tls.address": f"127.0.0.1:{self.tls_port}",
            "listen.grpc_tls.cert_file": pair.cert, "listen.grpc_tls.key_file": pair.key})
        self.server.wait_listening()

    def url(self, is_tls):
        return f"https://localhost:{self.tls_port}{COLLECT}" if is_tls else \
            f"http://localhost:{self.server.port}{COLLECT}"

    def load(self, is_tls, n_calls, n_connections, body):
        """CPU seconds of the gate for so many calls."""
        before = self.server.cpu_s()
        done = subprocess.run(
            ["h2load", "-n", str(n_calls), "-c", str(n_connections), "-m", "1", "-t", "1", "-d", body,
             "-H", "content-type: application/grpc", "-H", "te: trailers", "-p", "h2c", self.url(is_tls)],
            capture_output=True, text=True, timeout=300)
        found = re.search(r"(\d+) succeeded", done.stdout)
        if not found or int(found.group(1)) != n_calls:
            raise RuntimeError(f"h2load: {done.stdout}{done.stderr}")
        time.sleep(0.2)
        return self.server.cpu_s() - before


def compare(gate, workdir, size, per_call, args):
    body = pathlib.Path(workdir) / "body"
    frames = [segment(size) for _ in range(per_call)]
    body.write_bytes(b"".join(b"\0" + struct.pack(">I", len(f)) + f for f in frames))
    n_calls = max(1, args.segments // per_call)
    us = {False: [], True: []}
    for at in range(args.rounds + 1):
        for is_tls in (False, True):
            spent = gate.load(is_tls, n_calls, CONNECTIONS, body) * 1e6 / (n_calls * per_call)
            if at > 0:  # the first round warms up
                us[is_tls].append(spent)
    clear, secure = (statistics.median(us[k]) for k in (False, True))
    print(f"{size:>6}  {per_call:>8}  {clear:>10.2f}  {secure:>8.2f}  {secure - clear:>+8.2f}", flush=True)


def handshakes(gate, workdir, args):
    """A connection each, with one call of one segment on it."""
    body = pathlib.Path(workdir) / "one"
    one = segment(SIZES[0])
    body.write_bytes(b"\0" + struct.pack(">I", len(one)) + one)
    ms = {k: statistics.median(gate.load(k, N_HANDSHAKES, N_HANDSHAKES, body) * 1e3 / N_HANDSHAKES
                               for _ in range(args.rounds)) for k in (False, True)}
    print(f"\na new connection and one call: {ms[False]:.2f} ms in clear text, {ms[True]:.2f} ms over TLS")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spangate", required=True)
    parser.add_argument("--segments", type=int, default=200000, help="of one measurement at 100 a call")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    for tool in ("h2load", "openssl"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed")
    with tempfile.TemporaryDirectory(prefix="spangate-bench-") as workdir:
        gate = Gate(args.spangate, workdir)
        try:
            print("CPU a segment (us; median)\n bytes  per call  clear text       TLS    differs")
            for per_call in PER_CALL:
                for size in SIZES:
                    few = argparse.Namespace(**vars(args))
                    few.segments = args.segments if per_call > 1 else args.segments // 10
                    compare(gate, workdir, size, per_call, few)
            handshakes(gate, workdir, args)
        finally:
            gate.server.stop()


main()
