"""Two replicas behind one address: one is drained and replaced under load, then the other; nothing is lost."""
# SPDX-License-Identifier: Apache-2.0
# A small forwarder stands for the Service: it gives new connections in turn to the replicas that are
# ready, and looks who is every half second, so a draining one still gets some for a while, as from
# kube-proxy. The waits of the stop, the signal and the grace period are those of the manifest.
import json
import pathlib
import re
import selectors
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from conftest import BINARY, CHART, PATIENCE, render
from pod import Pod, need_namespaces, wait_until

RATE, CONNECTIONS = 1500, 6


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def status(port, path):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


class Service:
    """TCP from one address to those of replicas [(grpc port, telemetry port)]; in one thread."""

    LOOK_S = 0.5

    def __init__(self, replicas):
        self.replicas, self.ready, self.turn = replicas, [], 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.is_over = False
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.look, self.forward)]
        for thread in self.threads:
            thread.start()

    def look(self):
        while not self.is_over:
            self.ready = [grpc for grpc, telemetry in self.replicas if status(telemetry, "/readyz") == 200]
            time.sleep(self.LOOK_S)

    def accept(self, selector):
        ours, _ = self.listener.accept()
        ready = self.ready
        for _ in ready:
            self.turn += 1
            try:
                theirs = socket.create_connection(("127.0.0.1", ready[self.turn % len(ready)]), timeout=2)
            except OSError:
                continue
            for one, other in ((ours, theirs), (theirs, ours)):
                one.setblocking(True)
                selector.register(one, selectors.EVENT_READ, other)
            return
        ours.close()

    def pass_on(self, selector, one, other):
        try:
            data = one.recv(1 << 16)
            other.sendall(data)
        except OSError:
            data = b""
        if data:
            return
        for end in (one, other):
            selector.unregister(end)
            end.close()

    def forward(self):
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ, None)
        while not self.is_over:
            for key, _ in selector.select(0.2):
                if key.fileobj is self.listener:
                    self.accept(selector)
                elif key.fileobj.fileno() >= 0:
                    self.pass_on(selector, key.fileobj, key.data)
        for key in list(selector.get_map().values()):
            key.fileobj.close()

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def stored_ids(directory):
    """The segment ids in a sink's store: field 2 of each message behind its length."""
    ids = []
    for file in pathlib.Path(directory).glob("TraceSegmentReportService.*.bin"):
        data, at = file.read_bytes(), 0
        while at < len(data):
            size = int.from_bytes(data[at:at + 4], "big")
            message = data[at + 4:at + 4 + size]
            at += 4 + size
            skip = 2 + message[1]  # field 1, the trace id: below 128 bytes
            assert message[0] == 0x0a and message[skip] == 0x12
            ids.append(message[skip + 2:skip + 2 + message[skip + 1]])
    return ids


def ledger(pod):
    line = wait_until(lambda: [one for one in pod.lines if one.startswith("ledger ")], "the ledger")[0]
    return {name: int(n) for name, n in re.findall(r"([a-z]+) (\d+)", line)}


@pytest.fixture
def stage(tmp_path):
    need_namespaces()
    running, services = [], []

    def make(*arguments):
        sink_port, *ports = free_ports(1 + 3 * 2)
        store = tmp_path / "store"
        sink = subprocess.Popen([BINARY, "sink", "--listen", f"127.0.0.1:{sink_port}", "--store", store],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.append(sink)
        replicas = [ports[:3], ports[3:]]

        def start(i, life):
            grpc, telemetry, admin = replicas[i]
            objects = render("--values", CHART / "ci" / "minimal.yaml", "--set-json",
                             f'upstream.addresses=["127.0.0.1:{sink_port}"]', "--set",
                             f"ports.grpc={grpc},ports.http=0,ports.telemetry={telemetry},"
                             f"config.admin.address=127.0.0.1:{admin}", *arguments)
            pod = Pod(tmp_path / f"pod-{i}-{life}", objects, data=tmp_path / f"data-{i}", own_network=False)
            running.append(pod)
            return pod
        service = Service([(grpc, telemetry) for grpc, telemetry, _ in replicas])
        services.append(service)
        return start, service, store
    yield make
    for one in services:
        one.end()
    for one in running:
        if isinstance(one, Pod):
            one.end()
        else:
            one.terminate()
            one.wait()


def load(service, seconds):
    return subprocess.Popen([BINARY, "load", "--addr", service.address, "--rate", str(RATE), "--connections",
                             str(CONNECTIONS), "--duration", f"{seconds}s", "--format", "json"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def accepted(pod):
    page = urllib.request.urlopen(f"http://127.0.0.1:{pod.port('telemetry')}/metrics", timeout=5).read().decode()
    return float(re.search(r'(?m)^spangate_items_accepted_total{signal="tracing"} (\S+)', page).group(1))


@pytest.mark.parametrize("arguments, seconds", [
    ((), 30),
    (("--set", "persistence.enabled=false", "--set", "config.shutdown.delay=2s"), 20),
], ids=["volume", "emptydir"])
def test_a_rolling_restart_loses_nothing(stage, arguments, seconds):
    start, service, store = stage(*arguments)
    pods = [start(0, 0), start(1, 0)]
    ended = []
    for pod in pods:
        pod.wait_ready()
    wait_until(lambda: len(service.ready) == 2, "both in the service")
    with load(service, seconds) as generator:
        wait_until(lambda: all(accepted(pod) > RATE for pod in pods), "a load on both")
        for i in (1, 0):  # the order of a StatefulSet
            begin = time.monotonic()
            assert pods[i].terminate() == 0, pods[i].words()
            assert time.monotonic() - begin < pods[i].spec["terminationGracePeriodSeconds"]
            ended.append(pods[i])
            pods[i] = start(i, 1)
            pods[i].wait_ready()
            wait_until(lambda: len(service.ready) == 2, "both in the service again")
        assert generator.poll() is None, "the restart is over before the load is"
        result = json.loads(generator.communicate(timeout=seconds + PATIENCE)[0])
    assert result["failed"] == 0 and result["unsent"] == 0, result
    for pod in pods:
        pod.ask_to_stop()
    for pod in pods:
        assert pod.wait_stopped() == 0, pod.words()
    books = [ledger(pod) for pod in ended + pods]
    assert all(book["imbalance"] == book["dropped"] == book["quarantined"] == 0 for book in books), books
    assert all(book["accepted"] > RATE for book in books[:2]), "both took their part"
    ids = stored_ids(store)
    assert len(set(ids)) == len(ids) == result["acknowledged"] > (seconds - 5) * RATE
