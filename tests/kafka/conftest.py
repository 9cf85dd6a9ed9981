"""One broker for all tests here, and processes that forward to it."""
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import pathlib
import subprocess
import sys

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

TESTS = pathlib.Path(__file__).resolve().parents[1]
SYSTEM = TESTS / "system"
sys.path[:0] = [str(SYSTEM), str(TESTS / "support"), str(TESTS / "kafka")]
spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system = importlib.util.module_from_spec(spec)
sys.modules["system_conftest"] = system
spec.loader.exec_module(system)

import broker as kafka_broker  # noqa: E402
from certificates import Authority  # noqa: E402

backend = system.backend


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def broker(authority, tmp_path_factory):
    server = authority.issue("kafka")
    keystore = tmp_path_factory.mktemp("keystore") / "broker.pem"
    keystore.write_text(server.key.read_text() + server.cert.read_text())
    one = kafka_broker.Broker(keystore)
    yield one
    one.stop()


@pytest.fixture(scope="session")
def decode():
    """A function from a message's name and its bytes to what they say, by the descriptors of
    proto/ (which check-proto compares with the published ones)."""
    root = system.ROOT
    described = subprocess.run(
        ["protoc", f"-I{root}/proto", "--descriptor_set_out=/dev/stdout"]
        + sorted(str(p) for p in (root / "proto").glob("*.proto")), stdout=subprocess.PIPE, check=True)
    pool = descriptor_pool.DescriptorPool()
    for one in descriptor_pb2.FileDescriptorSet.FromString(described.stdout).file:
        pool.Add(one)
    factory = message_factory.MessageFactory(pool)

    def from_bytes(name, data):
        kind = factory.GetPrototype(pool.FindMessageTypeByName(f"skywalking.v3.{name}"))
        return kind.FromString(data)

    return from_bytes


@pytest.fixture
def start(broker):
    """A function that starts a process in front of the broker; at the end each must drain, balance
    and exit 0."""
    running = []

    def begin(*sets, brokers=None, **more):
        one = system.Spangate("upstream.kind=kafka", f"upstream.kafka.brokers={brokers or broker.address}",
                              *sets, **more)
        running.append(one)
        return one

    yield begin
    try:
        for one in running:
            if one.process.poll() is None:
                assert one.end() == 0, "\n".join(one.lines)
                assert one.find(r"^ledger .*imbalance (-?\d+)") == "0", "\n".join(one.lines)
    finally:
        for one in running:
            one.clean()
