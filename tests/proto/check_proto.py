#!/usr/bin/python3
"""Compares proto/ field by field with the descriptors of a published SkyWalking package.

SPDX-License-Identifier: Apache-2.0

The other side is PyPI's apache-skywalking 1.2.0. Its generated modules want another protobuf
runtime than Debian's, so they are not imported: the serialized FileDescriptorProto is read out of
their source text. Needs protoc and python3-protobuf.

    check_proto.py --package DIR    DIR holds skywalking/protocol

Checked: every message and enum of proto/ against the one of the same full name; in fields name,
number, type, type name, label and oneof; in enums every name and number. Differences that are meant
stand below, each with its reason; one that is listed but no longer there fails too.
"""
import argparse
import ast
import pathlib
import subprocess
import sys

from google.protobuf import descriptor_pb2

TREE = pathlib.Path(__file__).resolve().parents[2]

# full name, or full name and member -> why ours has what the package has not, or the reverse
MEANT = {
    "skywalking.v3.SpanLayer.GenAI": "newer than the package; OAP and the Java agent use it",
    "skywalking.v3.GoProfileData": "newer than the package",
    "skywalking.v3.BrowserWebVitalsPerfData": "newer than the package",
    "skywalking.v3.BrowserResourcePerfData": "newer than the package",
    "skywalking.v3.BrowserWebInteractionsPerfData": "newer than the package",
    "skywalking.v10.AsyncProfilerTaskCommandQuery": "the v10 services are newer than the package",
    "skywalking.v10.AsyncProfilerData": "the v10 services are newer than the package",
    "skywalking.v10.AsyncProfilerMetaData": "the v10 services are newer than the package",
    "skywalking.v10.AsyncProfilerCollectionResponse": "the v10 services are newer than the package",
    "skywalking.v10.AsyncProfilingStatus": "the v10 services are newer than the package",
    "skywalking.v10.PprofTaskCommandQuery": "the v10 services are newer than the package",
    "skywalking.v10.PprofData": "the v10 services are newer than the package",
    "skywalking.v10.PprofMetaData": "the v10 services are newer than the package",
    "skywalking.v10.PprofCollectionResponse": "the v10 services are newer than the package",
    "skywalking.v10.PprofProfilingStatus": "the v10 services are newer than the package",
}


def ours():
    out = subprocess.run(
        ["protoc", "-I" + str(TREE / "proto"), "--descriptor_set_out=/dev/stdout"]
        + sorted(str(p) for p in (TREE / "proto").glob("*.proto")),
        stdout=subprocess.PIPE, check=True).stdout
    return descriptor_pb2.FileDescriptorSet.FromString(out).file


def serialized(source):
    """The bytes handed to AddSerializedFile in a generated module."""
    for node in ast.walk(ast.parse(source)):
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                and node.func.attr == "AddSerializedFile"):
            return ast.literal_eval(node.args[0])
    return None


def theirs(package):
    files = []
    for path in sorted((package / "skywalking" / "protocol").rglob("*_pb2.py")):
        raw = serialized(path.read_text(encoding="utf-8"))
        if raw is not None:
            files.append(descriptor_pb2.FileDescriptorProto.FromString(raw))
    return files


def collect(files):
    """Full name -> {member: what it is}, of every message and enum."""
    found = {}

    def add_enum(prefix, enum):
        found[prefix + enum.name] = {v.name: v.number for v in enum.value}

    def add_message(prefix, message):
        name = prefix + message.name
        found[name] = {
            f.name: (f.number, f.Type.Name(f.type), f.type_name, f.Label.Name(f.label),
                     message.oneof_decl[f.oneof_index].name if f.HasField("oneof_index") else "")
            for f in message.field}
        for nested in message.nested_type:
            add_message(name + ".", nested)
        for enum in message.enum_type:
            add_enum(name + ".", enum)

    for file in files:
        for message in file.message_type:
            add_message(file.package + ".", message)
        for enum in file.enum_type:
            add_enum(file.package + ".", enum)
    return found


def differences(mine, other):
    for name, members in sorted(mine.items()):
        if name not in other:
            yield name, "not in the package"
            continue
        for member in sorted(set(members) | set(other[name])):
            a, b = members.get(member), other[name].get(member)
            if a != b:
                yield f"{name}.{member}", f"ours {a}, theirs {b}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--package", type=pathlib.Path, required=True,
                        help="a folder that holds skywalking/protocol of apache-skywalking 1.2.0")
    package = parser.parse_args().package
    mine, other = collect(ours()), collect(theirs(package))
    if not other:
        sys.exit(f"no descriptors in {package}")
    failures = []
    met = set()
    for name, what in differences(mine, other):
        if name in MEANT:
            met.add(name)
        else:
            failures.append(f"{name}: {what}")
    failures += [f"{name}: listed as meant, but there is no difference" for name in MEANT
                 if name not in met]
    for line in failures:
        print(line)
    n_members = sum(len(members) for members in mine.values())
    print(f"{len(mine)} messages and enums of proto/, {len(met)} differences that are meant")
    print(f"{n_members - len(failures)} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
