"""Measures what the disk costs: durable beside memory, and beside a bare group commit, in one run."""
# SPDX-License-Identifier: Apache-2.0
# Rounds interleave the subjects and the median counts, so that what disturbs the machine disturbs
# all. Nothing here fails on a figure: it reports. The directory must be on a disk, not in memory.
#
#   flat   64 connections with one call of 100 segments in flight each: CPU a segment, all threads
#   ack    a steady rate, 10 segments a call: from a call's last byte written to its answer
#   start  exec to the first accepted connection, over an empty and over a full spool
#   drain  a full spool goes to a sink that takes all, without and with new input
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import peers  # noqa: E402

SIZES = (1200, 431)
RATES = (5000, 20000)
FLAT = ["--per-call", "100", "--connections", "64", "--slots", "1"]
PACED = ["--per-call", "10", "--connections", "10", "--slots", "32"]
PATIENCE_S = 300
DRAIN_INPUT = 20000  # segments a second while the spool drains
GIB = 1 << 30
LEDGER = ("items_accepted_total", "items_forwarded_total", "items_dropped_total",
          "items_quarantined_total", "spool_corrupt_records_total", "ledger_imbalance_items")


def file_system(directory):
    """(type, device) of the longest mount above the directory."""
    best = ("", "?", "?")
    real = os.path.realpath(directory)
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        device, mount, kind = line.split()[:3]
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, kind, device)
    return best[1:]


class Gate:
    """spangate in one mode, and what it says of itself."""

    def __init__(self, bench, name, sink_port, **settings):
        pairs = {"upstream.addresses": f"127.0.0.1:{sink_port}"}
        pairs.update({k.replace("__", "."): v for k, v in settings.items()})
        self.server = peers.spangate(bench.args.spangate, bench.workdir, name, pairs)
        self.name, self.port = name, self.server.port
        bench.gates.append(self)

    def scrape(self):
        """Its port opens a moment after that for agents."""
        url = f"http://127.0.0.1:{self.server.telemetry}/metrics"
        end = time.monotonic() + 5
        while True:
            try:
                return urllib.request.urlopen(url, timeout=10).read().decode()
            except OSError as error:
                if self.server.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{self.name}: {error}\n{self.server.log_text()}") from None
                time.sleep(0.002)

    def metrics(self):
        totals = {}
        for line in self.scrape().splitlines():
            if not line.startswith("#"):
                sample, _, value = line.rpartition(" ")
                name = sample.partition("{")[0]
                totals[name] = totals.get(name, 0) + float(value)
        return {k.removeprefix("spangate_"): v for k, v in totals.items()}

    def wait_empty(self):
        end = time.monotonic() + PATIENCE_S
        while self.metrics()["buffer_items"] > 0:
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} still holds messages: {self.metrics()}")
            time.sleep(0.05)

    def kill(self):
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()


class Bench:
    def __init__(self, args, workdir, disk):
        self.args, self.workdir, self.disk = args, workdir, disk
        self.gates, self.trouble = [], []

    def durable(self, name, sink_port, spool, **settings):
        """The quarantine lies beside the spool."""
        return Gate(self, name, sink_port, buffer__mode="durable",
                    buffer__disk__path=f"{self.disk}/{spool}/spool",
                    quarantine__path=f"{self.disk}/{spool}/quarantine", **settings)

    def memory(self, name, sink_port):
        return Gate(self, name, sink_port, buffer__mode="memory")

    def driver(self, gate, arguments):
        return [self.args.driver, "--port", str(gate.port)] + [str(a) for a in arguments]

    def drive(self, gate, arguments):
        done = subprocess.run(self.driver(gate, arguments), capture_output=True, text=True,
                              timeout=PATIENCE_S)
        if not done.stdout.strip():
            raise RuntimeError(f"driver against {gate.name}: {done.stderr}")
        report = json.loads(done.stdout)
        if done.returncode != 0 or not report["acknowledged"]:
            self.trouble.append(f"{gate.name}: {report} {done.stderr.strip()}")
        self.say(gate.name, report)
        return report

    def say(self, *what):
        if self.args.verbose:
            print(" ", *what, file=sys.stderr, flush=True)

    def stop_all(self):
        for gate in self.gates:
            gate.server.stop()


def flat_once(bench, gate, size, total):
    """(CPU us a segment until all of it is forwarded, segments a second until all is answered)"""
    before = gate.server.cpu_s()
    report = bench.drive(gate, FLAT + ["--size", size, "--total", total])
    gate.wait_empty()
    us = (gate.server.cpu_s() - before) * 1e6 / max(1, report["acknowledged"])
    bench.say(f"{us:.3f} us a segment")
    return us, report["per_s"]


def run_flat(bench, memory, durable):
    print("\nflat out, 100 a call, relayed to the bare sink (CPU of all threads, us a segment)")
    print(" bytes   memory  durable   ratio   best durable    memory/s   durable/s")
    rates = {}
    for size in SIZES:
        runs = {memory: [], durable: []}
        for gate in runs:
            flat_once(bench, gate, size, bench.args.total // 5)
        for _ in range(bench.args.rounds):
            for gate, results in runs.items():
                results.append(flat_once(bench, gate, size, bench.args.total))
        cpu = {g: statistics.median(us for us, _ in r) for g, r in runs.items()}
        rate = {g: statistics.median(n for _, n in r) for g, r in runs.items()}
        least = min(us for us, _ in runs[durable])
        rates[size] = rate[memory]
        print(f"{size:>6} {cpu[memory]:>8.2f} {cpu[durable]:>8.2f} {cpu[durable] / cpu[memory]:>7.2f}"
              f" {least:>14.2f} {rate[memory]:>11.0f} {rate[durable]:>11.0f}", flush=True)
    return rates


def bare_loop(bench, rate):
    done = subprocess.run(
        [bench.args.loop, "--directory", bench.disk, "--per-call", "10", "--size", str(SIZES[0]),
         "--rate", str(rate), "--duration", str(bench.args.seconds)],
        capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode != 0:
        raise RuntimeError(f"group_commit: {done.stderr}")
    report = json.loads(done.stdout)
    bench.say("loop", report)
    return report


def ack_rounds(bench, memory, durable, rate):
    """name -> (p50, p99), the medians of the rounds."""
    shape = PACED + ["--size", SIZES[0], "--rate", rate]
    runs = {"loop": [], "memory": [], "durable": []}
    for gate in (memory, durable):
        bench.drive(gate, shape + ["--duration", 0.5])
    for _ in range(bench.args.rounds):
        runs["loop"].append(bare_loop(bench, rate))
        for name, gate in (("memory", memory), ("durable", durable)):
            runs[name].append(bench.drive(gate, shape + ["--duration", bench.args.seconds]))
            gate.wait_empty()
    return {name: [statistics.median(r[k] for r in reports)
                   for k in ("wait_ms_p50", "wait_ms_p99")] for name, reports in runs.items()}


def run_ack(bench, memory, durable):
    print(f"\nlast byte to answer, 10 a call, {SIZES[0]} bytes (ms; the loop is a bare group commit)")
    print("   rate   loop p50     p99   durable p50     p99   p99 ratio   memory p50     p99")
    for rate in RATES:
        waits = ack_rounds(bench, memory, durable, rate)
        loop, disk, ram = waits["loop"], waits["durable"], waits["memory"]
        print(f"{rate:>7} {loop[0]:>10.2f} {loop[1]:>7.2f} {disk[0]:>13.2f} {disk[1]:>7.2f}"
              f" {disk[1] / loop[1]:>11.2f} {ram[0]:>12.2f} {ram[1]:>7.2f}", flush=True)


def fill_and_kill(bench, gate):
    """No backend is there; kill -9 under load, when hardly a file more has room."""
    command = bench.driver(gate, FLAT + ["--size", SIZES[0], "--total", 1 << 40])
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE_S
        while (held := gate.metrics()["buffer_bytes"]) < bench.args.gib * GIB * 0.97:
            if time.monotonic() > end or driver.poll() is not None:
                raise RuntimeError("the spool was not filled")
            time.sleep(0.005)
        gate.kill()
        return held
    finally:
        driver.kill()
        driver.wait()


def forget_pages():
    """True when the kernel let go of what it had in its page cache."""
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("1")
        return True
    except OSError:
        return False


def started(bench, name, spool, sink_port, settings):
    gate = bench.durable(name, sink_port, spool, **settings)
    return gate, gate.server.wait_listening() * 1e3


def start_empty(bench, settings):
    starts = []
    for i in range(bench.args.rounds):
        gate, ms = started(bench, "empty", f"empty{i}", bench.dead_port, settings)
        starts.append(ms)
        gate.server.stop()
    print(f"empty spool, a new directory  {statistics.median(starts):>9.1f} ms")


def start_full(bench, settings):
    """Leaves a full spool that was closed in order."""
    gate, _ = started(bench, "fill", "full", bench.dead_port, settings)
    began = time.monotonic()
    held = fill_and_kill(bench, gate)
    bench.say(f"{held / GIB:.2f} GiB held after {time.monotonic() - began:.1f} s")
    for name in ("after kill -9 under load", "closed in order"):
        is_cold = forget_pages()
        gate, ms = started(bench, "full", "full", bench.dead_port, settings)
        restored = gate.metrics()["spool_recovered_items_total"]
        cache = "not in the page cache" if is_cold else "perhaps in the page cache"
        print(f"{held / GIB:.1f} GiB, {name:<24} {ms:>7.1f} ms   "
              f"({restored:.0f} messages, {cache})", flush=True)
        gate.server.stop()


def forwarded_over(bench, gate, floor):
    """(segments a second, CPU us each) for some seconds, or until no more than the floor is left."""
    def look():
        metrics = gate.metrics()
        return (time.monotonic(), gate.server.cpu_s(), metrics["items_forwarded_total"],
                metrics["buffer_items"])
    first = now = look()
    while now[0] - first[0] < bench.args.seconds and now[3] > floor:
        time.sleep(0.05)
        now = look()
    n = max(1, now[2] - first[2])
    return n / (now[0] - first[0]), (now[1] - first[1]) * 1e6 / n


def run_drain(bench, sink, settings, memory_rate):
    forget_pages()
    gate, _ = started(bench, "drain", "full", sink.port, settings)
    held = gate.metrics()["spool_recovered_items_total"]
    alone, us = forwarded_over(bench, gate, held / 2)
    shape = PACED + ["--size", SIZES[0], "--rate", DRAIN_INPUT, "--duration", bench.args.seconds]
    driver = subprocess.Popen(bench.driver(gate, shape), stdout=subprocess.PIPE, text=True)
    busy, _ = forwarded_over(bench, gate, DRAIN_INPUT)
    report = json.loads(driver.communicate()[0])
    bench.say("input while draining", report)
    gate.wait_empty()
    metrics = gate.metrics()
    if metrics["items_forwarded_total"] != held + report["acknowledged"]:
        bench.trouble.append(f"drain: {held:.0f} restored, {report['acknowledged']} answered OK; " +
                             ", ".join(f"{k} {v:.0f}" for k, v in metrics.items() if k in LEDGER))
    share = f"{alone / memory_rate:.2f}" if memory_rate else "-"
    print(f"\ndrain, {SIZES[0]} bytes, the first half alone  {alone:>8.0f}/s, {us:.2f} us CPU each, "
          f"{share} x the flat out input of memory mode")
    print(f"the second with {DRAIN_INPUT}/s of new input  {busy:>8.0f}/s forwarded, "
          f"{busy / DRAIN_INPUT:.1f} x the input; "
          f"answers p50 {report['wait_ms_p50']:.2f}, p99 {report['wait_ms_p99']:.2f} ms")


def run(bench):
    kind, device = file_system(bench.disk)
    print(f"spool on {kind}, {device}; {os.cpu_count()} processors")
    if kind in ("tmpfs", "ramfs"):
        bench.trouble.append("the directory is in memory: --directory DIR names another")
    bench.dead_port = peers.free_port()
    sink = peers.null_sink(bench.args.sink, bench.workdir)
    sink.wait_listening()
    try:
        memory_rate = 0
        if {"flat", "ack"} & set(bench.args.parts):
            memory = bench.memory("memory", sink.port)
            durable = bench.durable("durable", sink.port, "live")
            for gate in (memory, durable):
                gate.server.wait_listening()
            if "flat" in bench.args.parts:
                memory_rate = run_flat(bench, memory, durable)[SIZES[0]]
            if "ack" in bench.args.parts:
                run_ack(bench, memory, durable)
            memory.server.stop()
            durable.server.stop()
        settings = {"buffer__disk__max": f"{int(bench.args.gib * 1024)}MiB"}
        if "start" in bench.args.parts:
            print("\nstart to listening")
            start_empty(bench, settings)
            start_full(bench, settings)
            if "drain" in bench.args.parts:
                run_drain(bench, sink, settings, memory_rate)
    finally:
        bench.stop_all()
        sink.stop()


def parse():
    here = pathlib.Path(__file__).resolve().parents[2] / "build"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", default=str(here / "release/tests/bench/driver"))
    parser.add_argument("--sink", default=str(here / "release/tests/bench/null_sink"))
    parser.add_argument("--loop", default=str(here / "release/tests/bench/group_commit"))
    parser.add_argument("--spangate", default=str(here / "spangate"))
    parser.add_argument("--directory", default=str(here), help="on the disk to be measured")
    parser.add_argument("--parts", default="flat,ack,start,drain", help="drain needs start")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--total", type=int, default=500000, help="segments of a flat out run")
    parser.add_argument("--seconds", type=float, default=4, help="length of a paced run")
    parser.add_argument("--gib", type=float, default=4, help="size of the full spool")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    args.parts = args.parts.split(",")
    for name in ("driver", "sink", "loop", "spangate"):
        setattr(args, name, str(pathlib.Path(getattr(args, name)).resolve()))
    return args


def main():
    args = parse()
    began = time.monotonic()
    disk = tempfile.mkdtemp(prefix="spangate-bench-", dir=args.directory)
    with tempfile.TemporaryDirectory(prefix="spangate-bench-") as workdir:
        bench = Bench(args, workdir, disk)
        try:
            run(bench)
        finally:
            bench.stop_all()
            shutil.rmtree(disk, ignore_errors=True)
    for line in bench.trouble:
        print("trouble:", line)
    print(f"\n{time.monotonic() - began:.0f} s")
    return 1 if bench.trouble else 0


if __name__ == "__main__":
    sys.exit(main())
