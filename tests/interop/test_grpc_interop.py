"""gRPC's own interop client reaches gRPC's own interop server through spangate, as it does directly."""
# SPDX-License-Identifier: Apache-2.0
# The client checks each case itself and exits 0 when it holds. Its service is none that spangate
# knows, so every call is relayed. "direct" runs the pair alone: what fails there is not ours.
import socket
import subprocess

import pytest

from certificates import Authority
from conftest import tool
from proxy import FaultProxy
from system_conftest import Spangate, wait_until

# The cases of gRPC's interop test description that need no cloud credentials.
CASES = ["empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong",
         "empty_stream", "timeout_on_sleeping_server", "cancel_after_begin",
         "cancel_after_first_response", "status_code_and_message", "special_status_message",
         "custom_metadata", "unimplemented_method", "unimplemented_service", "rpc_soak",
         "channel_soak"]
PATIENCE_S = 60
# The two soaks fail a call that is slow; that is not what is asked here.
PATIENT = ["-soak_per_iteration_max_acceptable_latency_ms=20000", "-soak_overall_timeout_seconds=50"]
DELAY_S = 0.005


class InteropServer:
    """gRPC's server; it listens where it is told, so a free port is looked for first."""

    def __init__(self, pair=None):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [tool("interop_server"), f"-port={port}"]
        if pair:
            command += ["-use_tls", f"-tls_cert_file={pair.cert}", f"-tls_key_file={pair.key}"]
        self.address = f"127.0.0.1:{port}"
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.is_open, "the interop server's port")

    def is_open(self):
        assert self.process.poll() is None, "the interop server ended"
        host, _, port = self.address.rpartition(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    def end(self):
        self.process.kill()
        self.process.wait()


def run_case(address, case, *more):
    host, _, port = address.rpartition(":")
    done = subprocess.run([tool("interop_client"), f"-server_host={host}", f"-server_port={port}",
                           f"-test_case={case}", *PATIENT, *more], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr


class Way:
    """What lies between the pair: nothing, spangate, or spangate with delays on both sides."""

    def __init__(self, name, directory):
        self.ends, self.gate, self.more = [], None, []
        try:
            getattr(self, name)(directory)
        except BaseException:
            self.end()
            raise

    def add(self, one):
        self.ends.append(one)
        return one

    def direct(self, _):
        self.address = self.add(InteropServer()).address

    def relay(self, _):
        self.gate = self.add(Spangate(f"upstream.addresses={self.add(InteropServer()).address}"))
        self.address = self.gate.address

    def delayed(self, _):
        behind = self.slow(self.add(InteropServer()).address)
        self.gate = self.add(Spangate(f"upstream.addresses={behind}"))
        self.address = self.slow(self.gate.address)

    def tls(self, directory):
        authority = Authority(directory)
        pair = authority.issue("localhost")
        server = self.add(InteropServer(pair))
        self.gate = self.add(Spangate(
            f"upstream.addresses={server.address}", "upstream.tls.enabled=true",
            f"upstream.tls.ca_file={authority.cert}", "listen.grpc_tls.address=127.0.0.1:0",
            f"listen.grpc_tls.cert_file={pair.cert}", f"listen.grpc_tls.key_file={pair.key}"))
        self.address = self.gate.find(r"^listening  grpc \S+ grpc_tls (\S+)")
        self.more = ["-use_tls", "-use_test_ca", f"-ca_file={authority.cert}",
                     "-server_host_override=localhost"]

    def slow(self, address):
        proxy = FaultProxy(address)
        proxy.set(delay_s=DELAY_S)
        proxy.end = proxy.close
        return self.add(proxy).address

    def end(self):
        codes = [one.end() for one in reversed(self.ends)]
        if self.gate:
            assert 0 in codes, "\n".join(self.gate.lines)
            assert self.gate.find(r"^ledger .*imbalance (-?\d+)") == "0", "\n".join(self.gate.lines)


@pytest.fixture(scope="module", params=["direct", "relay", "delayed", "tls"])
def way(request, tmp_path_factory):
    tool("interop_client")
    one = Way(request.param, tmp_path_factory.mktemp("certificates"))
    yield one
    one.end()


@pytest.mark.parametrize("case", CASES)
def test_interop(way, case):
    run_case(way.address, case, *way.more)


def test_nothing_is_left_of_the_calls(way):
    """Last of each way: every call has ended, and none was answered by spangate itself."""
    if way.gate is None:
        return
    wait_until(lambda: way.gate.metric("connections") == 0, "no connection")
    way.gate.wait_settled()
    assert way.gate.metric("items_accepted_total") == 0
