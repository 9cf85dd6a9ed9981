"""Holds the include graph of server/ to the Makefile's uses_ rows, and each library to one home."""
# SPDX-License-Identifier: Apache-2.0
import re

from tree import ROOT, Report, code_of, files, name

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)

# A pattern of system or generated headers, and the folder or file that may include them.
HOMES = (
    (r"event2/|event\.h|evhttp|evdns", "server/net/"),
    (r"openssl/", "server/net/"),
    (r"nghttp2/", "server/h2/"),
    (r"protobuf-c/|.*\.pb-c\.h", "server/message/"),
    (r"jansson\.h", "server/message/"),
    (r"zlib\.h", "server/grpc/grpc_codec."),
    (r"librdkafka/", "server/forward/kafka_"),
    (r"libfyaml\.h", "server/conf/"),
    (r"uthash\.h|utlist\.h|utarray\.h|utstring\.h", "server/base/"),
    (r"xxhash\.h", "server/base/"),
    (r"uni[a-z]+\.h", "server/base/"),
)
NOT_LIBRARIES = {"unistd.h"}


def rows():
    uses, layers = {}, []
    for line in (ROOT / "Makefile").read_text().splitlines():
        match = re.match(r"uses_(\w+)\s*:=\s*(.*)", line)
        if match:
            uses[match.group(1)] = set(match.group(2).split())
        match = re.match(r"LAYERS\s*:=\s*(.*)", line)
        if match:
            layers = match.group(1).split()
    return layers, uses


def includes_of(path):
    text = path.read_text()
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_rows(report, layers, uses):
    """Each row names layers below its own only: then there is no circle."""
    for at, layer in enumerate(layers):
        below = set(layers[:at])
        row = uses.get(layer)
        report.check(row is not None, "Makefile", f"no row uses_{layer}")
        upward = (row or set()) - below
        report.check(not upward, "Makefile", f"uses_{layer} looks upward: {sorted(upward)}")
    for folder in sorted(p.name for p in (ROOT / "server").iterdir() if p.is_dir()):
        report.check(folder in layers or folder == "tables", f"server/{folder}", "is no layer")


def check_own(report, where, layer, target, uses):
    if not report.check("/" in target, where, f'"{target}" lacks its layer in the path'):
        return
    other = target.split("/")[0]
    if target.endswith(".pb-c.h"):
        check_home(report, where, target)
        return
    report.check((ROOT / "server" / target).is_file(), where, f'"{target}" is not in server/')
    allowed = other == layer or other == "tables" or other in uses.get(layer, set())
    report.check(allowed, where, f"{layer}/ may not lean on {other}/ (uses_{layer})")
    private = target.endswith("_int.h") and other != layer
    report.check(not private, where, f'"{target}" belongs to {other}/ alone')


def check_home(report, where, target):
    if target in NOT_LIBRARIES:
        return
    for pattern, home in HOMES:
        if re.fullmatch(rf"(?:{pattern}).*", target):
            report.check(re.match(home, where), where, f"<{target}> has its home in {home}")


def check_file(report, path, uses):
    layer = path.relative_to(ROOT / "server").parts[0]
    where = name(path)
    for line, own, system in includes_of(path):
        place = f"{where}:{line}"
        if own and own.endswith(".pb-c.h"):
            check_home(report, place, own)
        elif own:
            check_own(report, place, layer, own, uses)
        else:
            check_home(report, place, system)
    if layer == "tables":
        report.check(not any(own for _, own, _ in includes_of(path)), where, "a table includes nothing")
    if path.suffix == ".c":
        outside = re.search(r"^extern\b", code_of(path.read_text()), re.M)
        report.check(not outside, where, "extern in a .c file")


def check_basenames(report, paths):
    seen = {}
    for path in paths:
        other = seen.setdefault(path.name, path)
        report.check(other == path, name(path), f"the same basename as {name(other)}")


def edges_between_files(paths):
    graph = {}
    for path in paths:
        if path.suffix == ".h":
            key = str(path.relative_to(ROOT / "server"))
            graph[key] = [own for _, own, _ in includes_of(path) if own]
    return graph


def check_circles(report, graph):
    state = {}

    def visit(node, trail):
        state[node] = 1
        for other in graph.get(node, []):
            if state.get(other) == 1:
                report.check(False, node, "headers in a circle: " + " ".join(trail + [other]))
            elif other not in state:
                visit(other, trail + [other])
        state[node] = 2

    for node in graph:
        if node not in state:
            visit(node, [node])
    report.passed += 1


def check_guards(report, paths):
    for path in paths:
        if path.suffix == ".h":
            guard = re.search(r"#ifndef (\w+)\n#define \1\n", path.read_text())
            report.check(guard, name(path), "no include guard")


def main():
    report = Report()
    layers, uses = rows()
    check_rows(report, layers, uses)
    paths = files("server/**/*.c", "server/**/*.h")
    for path in paths:
        check_file(report, path, uses)
    check_basenames(report, paths)
    check_circles(report, edges_between_files(paths))
    check_guards(report, paths)
    report.end()


main()
