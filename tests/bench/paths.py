"""Measures relayed calls and HTTP bodies beside proxies on the same work, in one run, and prints ratios."""
# SPDX-License-Identifier: Apache-2.0
# h2load sends and never waits for itself; CPU is that of the proxy alone, with one worker. Rounds interleave
# the servers and the median counts, so that what disturbs the machine disturbs all. Nothing here fails
# on a figure: it reports.
#
#   question  a unary call that needs an OAP's answer, as agents ask for their configuration
#   stream    one call of many messages of 4 KiB, as Envoy sends access logs
#   JSON, protobuf  segments posted over HTTP/1.1. nginx hands the bytes to another nginx that answers
#             200; spangate reads them, judges each segment and forwards it over gRPC to the bare sink
import argparse
import json
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "system"))
import peers  # noqa: E402
import wire  # noqa: E402

QUESTION = "/skywalking.v3.ConfigurationDiscoveryService/fetchConfigurations"
STREAM = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
MESSAGE_BYTES, N_MESSAGES = 4096, 4096  # of one stream: 16 MiB
PER_POST = 100


def framed(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def json_segment():
    now = wire.now_ms()
    spans = [{"spanId": i, "parentSpanId": i - 1, "startTime": now - 50, "endTime": now, "spanType": kind,
              "operationName": name, "peer": peer, "spanLayer": "Http", "componentId": 6000,
              "tags": [{"key": "http.method", "value": "GET"}]}
             for i, (kind, name, peer) in enumerate((
                 ("Entry", "/in", ""), ("Local", "work", ""), ("Exit", "/out", "shop:80")))]
    return {"traceId": uuid.uuid4().hex, "traceSegmentId": uuid.uuid4().hex, "service": "shop",
            "serviceInstance": "shop-1", "spans": spans}


class Row:
    """One line of the report: what is sent, how often, and the units a request counts for."""

    def __init__(self, name, unit, path, body, n, clients, n_units, *headers, protocol="h2c"):
        self.name, self.unit, self.path, self.body = name, unit, path, body
        self.n, self.clients, self.n_units = n, clients, n_units
        self.headers, self.protocol = headers, protocol

    def load(self, server, workdir, n):
        """CPU microseconds of the server for each unit."""
        file = pathlib.Path(workdir) / "load"
        file.write_bytes(self.body)
        before = server.cpu_s()
        done = subprocess.run(
            ["h2load", "-n", str(n), "-c", str(self.clients), "-m", "1", "-t", "1", "-d", str(file),
             *(word for one in self.headers for word in ("-H", one)), "-p", self.protocol,
             f"http://127.0.0.1:{server.port}{self.path}"], capture_output=True, text=True, timeout=300)
        found = re.search(r"status codes: (\d+) 2xx", done.stdout)
        if not found or int(found.group(1)) != n:
            raise RuntimeError(f"h2load against {server.name}: {done.stdout}{done.stderr}")
        settle(server)
        return (server.cpu_s() - before) * 1e6 / (n * self.n_units)


def settle(server):
    """Until what was answered is also forwarded: no CPU used over 100 ms, at most 3 s."""
    end = time.monotonic() + 3
    last = server.cpu_s()
    while time.monotonic() < end:
        time.sleep(0.1)
        now = server.cpu_s()
        if now - last < 0.001:
            return
        last = now


def relay_rows(args):
    grpc = ("content-type: application/grpc", "te: trailers")
    question = framed(wire.text(1, "shop") + wire.text(2, uuid.uuid4().hex))
    stream = framed(b"\x0a" + wire.varint(MESSAGE_BYTES - 3) + b"x" * (MESSAGE_BYTES - 3)) * N_MESSAGES
    mebibytes = len(stream) / (1 << 20)
    return [Row("question", "call", QUESTION, question, args.calls, 16, 1, *grpc),
            Row("stream", "MiB", STREAM, stream, max(1, args.calls // 2000), 1, mebibytes, *grpc)]


def http_rows(args):
    kind = "content-type: application/json"
    many = json.dumps([json_segment() for _ in range(PER_POST)], separators=(",", ":")).encode()
    one = json.dumps([json_segment()], separators=(",", ":")).encode()
    return [
        Row(f"JSON {PER_POST}", "segment", "/v3/segments", many, args.calls // 10, 16, PER_POST, kind,
            protocol="http/1.1"),
        Row("JSON 1", "segment", "/v3/segments", one, args.calls, 16, 1, kind, protocol="http/1.1"),
        Row("protobuf 1", "segment", "/v3/segment", wire.segment(), args.calls, 16, 1,
            "content-type: application/x-protobuf", protocol="http/1.1")]


def compare(servers, rows, workdir, rounds):
    """{(row name, server name): median microseconds a unit}"""
    found = {}
    for row in rows:
        for at in range(rounds + 1):
            for server in servers:
                us = row.load(server, workdir, row.n if at else max(1, row.n // 10))
                if at:  # the first round warms up
                    found.setdefault((row.name, server.name), []).append(us)
    return {key: statistics.median(values) for key, values in found.items()}


def show(title, servers, rows, medians):
    names = [s.name for s in servers]
    print(f"\n{title} (us; median, one worker each)")
    print("  ".join(c.rjust(10) for c in ("what", "of each", *names, "ratio")))
    for row in rows:
        figures = [medians[row.name, n] for n in names]
        ratio = figures[-1] / min(figures[:-1]) if figures[:-1] else 0
        print("  ".join(c.rjust(10) for c in (row.name, row.unit, *(f"{f:.2f}" for f in figures),
                                              f"{ratio:.2f}")), flush=True)


class Bench:
    def __init__(self, args, workdir):
        self.args, self.workdir, self.servers = args, workdir, []

    def start(self, server):
        self.servers.append(server)
        server.wait_listening()
        return server

    def relay(self, have):
        sink = self.start(peers.null_sink(self.args.sink, self.workdir))
        subjects = [self.start(make(sink.port, self.workdir)) for make in have.values()]
        subjects.append(self.start(peers.spangate(self.args.spangate, self.workdir, "spangate", {
            "upstream.addresses": f"127.0.0.1:{sink.port}"})))
        rows = relay_rows(self.args)
        show("CPU, relayed calls", subjects, rows, compare(subjects, rows, self.workdir, self.args.rounds))

    def http(self, have):
        sink = self.start(peers.null_sink(self.args.sink, self.workdir))
        subjects = []
        if "nginx" in have:
            end = self.start(peers.nginx_http("answers", self.workdir))
            subjects.append(self.start(peers.nginx_http("nginx", self.workdir, end.port)))
        port = peers.free_port()
        ours = self.start(peers.spangate(self.args.spangate, self.workdir, "spangate", {
            "upstream.addresses": f"127.0.0.1:{sink.port}", "integrity.window": "0s",
            "listen.http.address": f"127.0.0.1:{port}"}))
        ours.port = port  # the same segments again and again are no copies to it
        subjects.append(ours)
        rows = http_rows(self.args)
        show("CPU, segments over HTTP", subjects, rows, compare(subjects, rows, self.workdir, self.args.rounds))

    def stop_all(self):
        for server in reversed(self.servers):
            server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spangate", required=True)
    parser.add_argument("--sink", required=True)
    parser.add_argument("--calls", type=int, default=20000, help="of one measurement; fewer where they are large")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    args.spangate, args.sink = (str(pathlib.Path(p).resolve()) for p in (args.spangate, args.sink))
    have, missing = peers.installed_proxies()
    if missing:
        print("not installed, left out:", ", ".join(missing))
    if shutil.which("h2load") is None:
        sys.exit("h2load is not installed")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spangate-bench-") as workdir:
        bench = Bench(args, workdir)
        try:
            bench.relay(have)
            bench.http(have)
        finally:
            bench.stop_all()
    print(f"\n{time.monotonic() - began:.0f} s")


main()
