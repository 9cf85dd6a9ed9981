"""Messages by their descriptions: the classes of proto/*.proto, services of tables/methods.h, a sink's files."""
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import shutil
import struct
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
HEALTH = """syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse {
    enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
    ServingStatus status = 1;
}
service Health {
    rpc Check(HealthCheckRequest) returns (HealthCheckResponse);
    rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
}
"""


def message_classes(directory):
    """{name without package: class} of all of proto/."""
    if not shutil.which("protoc"):
        pytest.skip("no protoc")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    out = directory / "all.pb"
    subprocess.run(["protoc", f"-I{PROTO}", "--include_imports", f"--descriptor_set_out={out}",
                    *(p.name for p in sorted(PROTO.glob("*.proto")))], check=True)
    pool = descriptor_pool.DescriptorPool()
    described = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    for one in described:
        pool.Add(one)
    factory = message_factory.MessageFactory(pool)
    return {m.name: factory.GetPrototype(pool.FindMessageTypeByName(f"{one.package}.{m.name}"))
            for one in described for m in one.message_type}


def methods():
    """[(path, stream, class, message)] of the table's rows."""
    table = (ROOT / "server" / "tables" / "methods.h").read_text()
    return re.findall(r'METHOD\(\d+,\s*\w+,\s*"([^"]+)",\s*(\w+),\s*(\w+),\s*\w+,\s*(\w+),', table)


def write_services(directory):
    """services.proto: the services of the methods whose messages are described, and the health service."""
    services = {}
    for path, stream, _, message in methods():
        if message == "OPAQUE":
            continue
        service, method = path[1:].split("/")
        services.setdefault(service.rpartition(".")[2], []).append(
            f"    rpc {method}({'stream ' * (stream == 'CLIENT')}{message}) returns (Commands);\n")
    lines = ['syntax = "proto3";\npackage skywalking.v3;\n']
    lines += [f'import "{p.name}";\n' for p in sorted(PROTO.glob("*.proto"))]
    lines += [f"service {name} {{\n{''.join(rpcs)}}}\n" for name, rpcs in services.items()]
    (directory / "services.proto").write_text("".join(lines))
    (directory / "health.proto").write_text(HEALTH)


def sink_messages(folder, method):
    """What spangate's sink stored of "Service.method", as bytes; a last one half written is left out."""
    path = folder / f"{method}.bin"
    data = path.read_bytes() if path.exists() else b""
    found, at = [], 0
    while at + 4 <= len(data):
        (n,) = struct.unpack_from(">I", data, at)
        if at + 4 + n > len(data):
            break
        found.append(data[at + 4:at + 4 + n])
        at += 4 + n
    return found
