"""What the tests of the durable buffer share: loads, kills, and the ledger of one scrape."""
# SPDX-License-Identifier: Apache-2.0
import subprocess
import threading

import grpc

import wire
from backend import COLLECT

MIB = 1 << 20


def kill(gate):
    """SIGKILL: nothing is flushed, nobody is told."""
    gate.process.kill()
    gate.process.wait()
    gate.reader.join()
    for channel in gate.channels:
        channel.close()
    gate.channels = []


def send(gate, n, per_call=100, make=wire.segment, timeout=20, channel=None):
    """n segments in calls that are all answered OK; their ids."""
    call = (channel or gate.channel()).stream_unary(COLLECT)
    ids = []
    for at in range(0, n, per_call):
        segments = [make() for _ in range(min(per_call, n - at))]
        assert call(iter(segments), timeout=timeout) == b""
        ids += [wire.segment_id(one) for one in segments]
    return ids


def large():
    """A healthy segment of a megabyte."""
    return wire.segment(spans=[wire.span(0, -1, tags=[("note", "x" * 1_000_000)])])


class Senders:
    """Agents that each report call after call in a thread, until told to stop."""

    def __init__(self, gate, n=4, per_call=10, make=wire.segment, pause_s=0.0, timeout=60):
        self.gate, self.per_call, self.make, self.timeout = gate, per_call, make, timeout
        self.pause_s = pause_s
        self.stopping = threading.Event()
        self.lock, self.answered, self.sent, self.errors = threading.Lock(), [], [], []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(n)]
        for one in self.threads:
            one.start()

    def run(self):
        call = self.gate.channel(**{"grpc.enable_retries": 0}).stream_unary(COLLECT)
        while not self.stopping.is_set():
            segments = [self.make() for _ in range(self.per_call)]
            ids = [wire.segment_id(one) for one in segments]
            with self.lock:
                self.sent += ids
            try:
                call(iter(segments), timeout=self.timeout)
            except (grpc.RpcError, ValueError) as error:
                with self.lock:
                    self.errors.append(error)
                return
            with self.lock:
                self.answered += ids
            self.stopping.wait(self.pause_s)

    def stop(self):
        """The ids of all that was answered."""
        self.stopping.set()
        for one in self.threads:
            one.join(self.timeout)
        assert not any(one.is_alive() for one in self.threads)
        return self.answered


class Load:
    """The verb load as a process beside the test."""

    def __init__(self, binary, gate, *flags):
        self.process = subprocess.Popen(
            [binary, "load", "--addr", gate.address, *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def is_running(self):
        return self.process.poll() is None

    def stop(self):
        if self.is_running():
            self.process.terminate()
        return self.process.communicate()[0]


def total(metrics, name, **labels):
    """The sum over the samples of one scrape whose labels contain the given ones."""
    out = 0
    for sample, value in metrics.items():
        base, _, rest = sample.partition("{")
        if base == "spangate_" + name and all(f'{k}="{v}"' in rest for k, v in labels.items()):
            out += value
    return out


def imbalance(metrics):
    """By our own sum over one scrape, which must agree with what the service says."""
    came = total(metrics, "items_accepted_total") + total(metrics, "spool_recovered_items_total")
    went = sum(total(metrics, name) for name in (
        "items_forwarded_total", "items_dropped_total", "items_quarantined_total", "buffer_items"))
    return came - went, total(metrics, "ledger_imbalance_items")


def memory_bytes(gate, key="VmHWM"):
    for line in open(f"/proc/{gate.process.pid}/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return 0
