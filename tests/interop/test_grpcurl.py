"""grpcurl calls every method that spangate takes, by proto/'s own descriptions, and shows its statuses."""
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess

import pytest

import described
import wire
from backend import COLLECT
from conftest import tool
from system_conftest import wait_until

TAKEN = [row for row in described.methods() if row[2] == "A" and row[3] != "OPAQUE"]
TRACES = "skywalking.v3.TraceSegmentReportService/"
HEALTH = "grpc.health.v1.Health/"
METER_BATCH = "/skywalking.v3.MeterReportService/collectBatch"
EXIT_OF_STATUS = 64  # grpcurl exits with this and the status's number
NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 5, 7, 8, 12


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    directory = tmp_path_factory.mktemp("services")
    described.write_services(directory)
    return directory


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    return described.message_classes(tmp_path_factory.mktemp("classes"))


@pytest.fixture
def call(services):
    def run(gate, method, *messages, headers=()):
        """Each message is a dict or a JSON text."""
        texts = [m if isinstance(m, str) else json.dumps(m) for m in messages] or ["{}"]
        command = [tool("grpcurl"), "-plaintext", "-import-path", str(described.PROTO),
                   "-import-path", str(services), "-proto", "services.proto", "-proto", "health.proto",
                   "-max-time", "20", *(word for h in headers for word in ("-H", h)),
                   "-d", "@", gate.address, method]
        return subprocess.run(command, input="\n".join(texts), capture_output=True, text=True,
                              timeout=60)
    return run


def is_refused(done, status):
    """In lower case, what grpcurl says, after its exit status."""
    assert done.returncode == EXIT_OF_STATUS + status, done
    return done.stderr.lower()


def test_every_service_is_described(services):
    assert len(TAKEN) == 17
    found = subprocess.run(
        [tool("grpcurl"), "-import-path", str(described.PROTO), "-import-path", str(services),
         "-proto", "services.proto", "list"], capture_output=True, text=True, check=True)
    assert len(found.stdout.split()) == len({path.split("/")[1] for path, *_ in TAKEN})


@pytest.mark.parametrize("path, stream, kind, message", TAKEN)
def test_a_taken_method(gate, backend, call, classes, path, stream, kind, message):
    """Two messages where it streams, one where not; the answer is an empty Commands."""
    from google.protobuf import json_format
    sent = [classes[message].FromString(wire.EXAMPLES[message]())
            for _ in range(2 if stream == "CLIENT" else 1)]
    done = call(gate, path[1:], *map(json_format.MessageToJson, sent))
    assert (done.returncode, done.stdout.strip()) == (0, "{}"), done.stderr
    gate.wait_settled()
    if message in ("SegmentObject", "SegmentCollection"):
        found = backend.segments()
        kind, sent = classes["SegmentObject"], [
            s for one in sent for s in (one.segments if message == "SegmentCollection" else [one])]
    elif path.endswith("MeterReportService/collect"):
        found = [m for c in backend.messages(METER_BATCH) for m in wire.every(c, 1)]
        kind = classes[message]
    else:
        found, kind = backend.messages(path), classes[message]

    def key(one):
        return one.SerializeToString(deterministic=True)
    assert sorted(map(key, map(kind.FromString, found))) == sorted(map(key, sent))


def test_a_stream_of_many_segments(gate, backend, call, classes):
    from google.protobuf import json_format
    sent = [wire.segment() for _ in range(300)]
    done = call(gate, TRACES + "collect",
                *(json_format.MessageToJson(classes["SegmentObject"].FromString(s)) for s in sent))
    assert (done.returncode, done.stdout.strip()) == (0, "{}"), done.stderr
    wait_until(lambda: len(backend.segments()) == 300, "all segments")
    assert sorted(backend.segment_ids()) == sorted(wire.segment_id(s) for s in sent)
    assert not backend.messages(COLLECT)  # forwarded as calls that OAP takes whole or not at all
    gate.wait_settled()


def test_health(gate, call):
    for service in ("", "skywalking.v3.ManagementService"):
        done = call(gate, HEALTH + "Check", {"service": service})
        assert (done.returncode, json.loads(done.stdout)) == (0, {"status": "SERVING"}), done
    assert "not" in is_refused(call(gate, HEALTH + "Check", {"service": "nothing"}), NOT_FOUND)


def test_a_path_that_no_agent_may_call(start, services, call):
    """OAPs call each other by it; spangate lets it through from nobody."""
    (services / "remote.proto").write_text(
        'syntax = "proto3";\nmessage Remote {}\n'
        "service RemoteService { rpc call(stream Remote) returns (Remote); }\n")
    gate = start()
    done = subprocess.run(
        [tool("grpcurl"), "-plaintext", "-import-path", str(services), "-proto", "remote.proto",
         "-d", "{}", gate.address, "RemoteService/call"], capture_output=True, text=True, timeout=60)
    assert "unimplemented" in is_refused(done, UNIMPLEMENTED)


def test_a_token(start, call):
    gate = start("listen.auth.tokens=sesame")
    alive = {"service": "shop", "serviceInstance": "i"}
    keep_alive = "skywalking.v3.ManagementService/keepAlive"
    assert call(gate, keep_alive, alive, headers=["authentication: sesame"]).returncode == 0
    for headers in ([], ["authentication:"], ["authentication: sesam"]):
        done = call(gate, keep_alive, alive, headers=headers)
        assert "permissiondenied" in is_refused(done, PERMISSION_DENIED)
    gate.wait_settled()
    assert gate.metric("items_accepted_total") == 1


def test_a_message_that_is_too_large(start, backend, call):
    gate = start("listen.max_message=1MiB")
    large = {"service": "shop", "serviceInstance": "i" * (1 << 20)}
    done = call(gate, "skywalking.v3.ManagementService/keepAlive", large)
    assert "resourceexhausted" in is_refused(done, RESOURCE_EXHAUSTED)
    gate.wait_settled()
    assert not backend.calls

