"""Measures spangate beside nginx, HAProxy and nghttpx in one run and prints ratios."""
# SPDX-License-Identifier: Apache-2.0
# All servers relay to the same bare sink; the rounds interleave them and the median counts, so that
# what disturbs the machine disturbs all. Nothing here fails on a figure: it reports.
#
#   single   1 connection with one call of 100 segments in flight: one agent that waits for the answer
#   flat     64 such connections
#   paced    5,000 segments a second, 10 a call, each call written at once
#   trickle  the same rate, each segment written at its own time (agents with little to say)
#
# Beside them goes the floor: what the bare sink alone takes for the same load when it walks every
# message, answers, and relays nothing. Whoever looks at segments pays as much before it forwards one.
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import peers  # noqa: E402

SIZES = (431, 1200)
SHAPES = {
    "single": ["--per-call", "100", "--connections", "1", "--slots", "1"],
    "flat": ["--per-call", "100", "--connections", "64", "--slots", "1"],
    "paced": ["--per-call", "10", "--connections", "10", "--slots", "32", "--rate", "5000"],
    "trickle": ["--per-call", "10", "--connections", "10", "--slots", "32", "--rate", "5000",
                "--spread"],
}
SHAPES["ingest"] = SHAPES["flat"]
RELAY_TARGETS = {"flat": 1.0, "paced": 0.5, "trickle": 0.5}  # ours / the cheapest proxy, at most
INGEST_TARGET = 1.5  # ours / the bare sink with a walker
PROCESS_TARGETS = (50, 15, 24)  # ms to listening, MiB at start, KiB an idle connection
IDLE_CONNECTIONS = 2000


def is_paced(shape):
    return "--rate" in SHAPES[shape]


class Bench:
    def __init__(self, args, workdir):
        self.args, self.workdir = args, workdir
        self.servers = []
        self.results = {}  # (shape, size, name) -> [microseconds a segment, ...]
        self.answered = {}  # name -> segments answered OK
        self.trouble = []

    def start(self, server):
        self.servers.append(server)
        server.wait_listening()
        return server

    def stop_all(self):
        for server in reversed(self.servers):
            server.stop()

    def drive(self, server, arguments):
        command = [self.args.driver, "--port", str(server.port)] + arguments
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if not done.stdout.strip():
            raise RuntimeError(f"driver against {server.name}: {done.stderr}")
        report = json.loads(done.stdout)
        if done.returncode != 0 or not report["acknowledged"]:
            self.trouble.append(f"{server.name}: {report} {done.stderr.strip()}")
        self.answered[server.name] = self.answered.get(server.name, 0) + report["acknowledged"]
        return report

    def measure(self, server, shape, size, amount):
        """One run; amount is segments when flat out, seconds when paced."""
        arguments = SHAPES[shape] + ["--size", str(size), "--frame", str(self.args.frame)]
        arguments += ["--duration" if is_paced(shape) else "--total", str(amount)]
        before = server.cpu_s()
        report = self.drive(server, arguments)
        settle(server)
        us = (server.cpu_s() - before) * 1e6 / max(1, report["acknowledged"])
        self.results.setdefault((shape, size, server.name), []).append(us)
        if self.args.verbose:
            print(f"  {shape} {size} {server.name}: {us:.3f} us, {report}", file=sys.stderr)

    def compare(self, servers, shape, size, amount, rounds):
        for server in servers:  # not counted: connections, caches, heaps
            self.measure(server, shape, size, 0.5 if is_paced(shape) else amount // 10)
            self.results.pop((shape, size, server.name))
        for _ in range(rounds):
            for server in servers:
                self.measure(server, shape, size, amount)

    def median(self, shape, size, name):
        runs = self.results.get((shape, size, name))
        return statistics.median(runs) if runs else None


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


def idle_cost(bench, server):
    """Bytes a connection costs that made one call and then keeps silent."""
    before = server.resident_kib()
    driver = subprocess.Popen(
        [bench.args.driver, "--port", str(server.port), "--idle", "--connections",
         str(IDLE_CONNECTIONS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        report = json.loads(driver.stdout.readline())
        if not report["ok"] or report["acknowledged"] != IDLE_CONNECTIONS:
            bench.trouble.append(f"idle {server.name}: {report}")
        return (server.resident_kib() - before) * 1024 / IDLE_CONNECTIONS
    finally:
        driver.stdin.close()
        driver.wait()


def process_figures(bench, make):
    """(name, ms to listening, KiB at start, KiB a connection): of fresh processes, best of three starts."""
    starts = []
    for _ in range(3):
        server = make()
        try:
            starts.append((server.wait_listening() * 1e3, server.resident_kib()))
        finally:
            server.stop()
    server = make()
    try:
        server.wait_listening()
        return server.name, min(starts)[0], min(starts)[1], idle_cost(bench, server) / 1024
    finally:
        server.stop()


def row(*cells):
    widths = [8, 6] + [9] * (len(cells) - 2)
    print("  ".join(str(c).rjust(w) for c, w in zip(cells, widths)).rstrip())


def against(value, target):
    """The cells target and mark of a ratio."""
    if target is None:
        return "-", ""
    return f"<={target:g}", "MISSED" if value is not None and value > target else ""


def spread(bench, shape, size, ours, least):
    """The ratios of the rounds, least and most: rounds are interleaved, so each is a comparison."""
    runs = zip(bench.results.get((shape, size, ours), []), bench.results.get((shape, size, least), []))
    ratios = [a / b for a, b in runs]
    return f"{min(ratios):.2f}-{max(ratios):.2f}" if ratios else "-"


def figure(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def print_relays(bench, names, shapes):
    print("\nCPU a segment, relaying to the bare sink (us; median, one worker each)")
    row("shape", "bytes", *names, "spangate", "cheapest", "ratio", "rounds", "target", "", "floor")
    for shape in shapes:
        for size in SIZES:
            proxies = {n: bench.median(shape, size, n) for n in names}
            known = [n for n in names if proxies[n]]
            least = min(known, key=proxies.get) if known else None
            ours, walk = (bench.median(shape, size, n) for n in ("spangate", "sink-walk"))
            ratio = ours / proxies[least] if ours and least else None
            floor = walk / proxies[least] if walk and least else None
            row(shape, size, *map(figure, proxies.values()), figure(ours),
                figure(proxies[least] if least else None), figure(ratio),
                spread(bench, shape, size, "spangate", least),
                *against(ratio, RELAY_TARGETS.get(shape)), figure(floor))


def print_ingest(bench):
    print("\nCPU a segment, ingest with verdict (upstream.kind discard) beside the bare sink (us)")
    row("shape", "bytes", "sink", "sink+walk", "spangate", "ratio", "rounds", "target")
    for size in SIZES:
        bare, walk, ours = (bench.median("ingest", size, n)
                            for n in ("sink", "sink-walk", "spangate-ingest"))
        ratio = ours / walk if ours and walk else None
        row("flat", size, figure(bare, 3), figure(walk, 3), figure(ours, 3), figure(ratio),
            spread(bench, "ingest", size, "spangate-ingest", "sink-walk"),
            *against(ratio, INGEST_TARGET))


def print_process(figures):
    print("\nprocess     start to listening  resident at start  idle connection")
    for name, listen_ms, start_kib, idle_kib in figures:
        values = (listen_ms, start_kib / 1024, idle_kib)
        missed = name == "spangate" and any(v > t for v, t in zip(values, PROCESS_TARGETS))
        print(f"{name:<10}  {values[0]:>15.1f} ms  {values[1]:>13.1f} MiB  {values[2]:>11.1f} KiB"
              + ("  MISSED" if missed else ""))
    print("{:<10}  {:>13} ms  {:>11} MiB  {:>9} KiB".format(
        "target", *(f"<={t}" for t in PROCESS_TARGETS)))


def run_relays(bench, subjects, args):
    for size in SIZES:
        for shape in args.shapes:
            amount = args.seconds if is_paced(shape) else args.total
            bench.compare(subjects, shape, size, amount, args.rounds)


def check_sink(bench, sink, names):
    """What was answered OK on the way to the sink must have reached it."""
    sink.stop()
    counts = json.loads(sink.log_text().strip().splitlines()[-1])
    answered = sum(bench.answered.get(name, 0) for name in names)
    if counts["segments"] != answered or counts["bad"]:
        bench.trouble.append(f"{answered} segments were answered OK, the sink has {counts}")


def run(bench, args):
    have, missing = peers.installed_proxies()
    if missing:
        print("not installed, left out:", ", ".join(missing))
    sink = bench.start(peers.null_sink(args.sink, bench.workdir))
    bare = bench.start(peers.null_sink(args.sink, bench.workdir))
    walk = bench.start(peers.null_sink(args.sink, bench.workdir, walk=True))
    relays = {n: lambda f=f: f(sink.port, bench.workdir) for n, f in have.items()}
    if args.spangate:
        relays["spangate"] = lambda: peers.spangate(
            args.spangate, bench.workdir, "spangate", {"upstream.addresses": f"127.0.0.1:{sink.port}"})
    figures = [process_figures(bench, make) for make in relays.values()]
    bench.answered = {name: IDLE_CONNECTIONS for name in relays}
    subjects = [bench.start(make()) for make in relays.values()] + [walk]
    run_relays(bench, subjects, args)
    check_sink(bench, sink, relays)
    ingest = [bare, walk]
    if args.spangate:
        ingest.append(bench.start(peers.spangate(args.spangate, bench.workdir, "spangate-ingest", {
            "upstream.kind": "discard"})))
    for size in SIZES:
        bench.compare(ingest, "ingest", size, args.total, args.rounds)
    print_relays(bench, list(have), args.shapes)
    print_ingest(bench)
    print_process(figures)


def parse():
    here = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", default=str(here / "release/tests/bench/driver"))
    parser.add_argument("--sink", default=str(here / "release/tests/bench/null_sink"))
    parser.add_argument("--spangate", default=str(here / "spangate"), help="'' = peers only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--total", type=int, default=1000000, help="segments of a flat out run")
    parser.add_argument("--seconds", type=float, default=3, help="length of a paced run")
    parser.add_argument("--frame", type=int, default=0, help="0 = one DATA frame a message")
    parser.add_argument("--shapes", default="single,flat,paced,trickle")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    args.shapes = args.shapes.split(",")
    for name in ("driver", "sink", "spangate"):
        if getattr(args, name):
            setattr(args, name, str(pathlib.Path(getattr(args, name)).resolve()))
    return args


def main():
    args = parse()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spangate-bench-") as workdir:
        bench = Bench(args, workdir)
        try:
            run(bench, args)
        finally:
            bench.stop_all()
    for line in bench.trouble:
        print("trouble:", line)
    print(f"\n{time.monotonic() - began:.0f} s")
    return 1 if bench.trouble else 0


if __name__ == "__main__":
    sys.exit(main())
