"""Holds server/admin/openapi.json to the routes and parameters of the code, and to those who ask."""
# SPDX-License-Identifier: Apache-2.0
# What the answers look like is for tests/system/test_openapi.py: it asks a running process.
import json
import re

from tree import ROOT, Report, files, name

FILE = "server/admin/openapi.json"
METHODS = {"get", "post", "delete", "put", "patch"}
PREFIX = "/api/v1/"


def operations(api):
    """[(METHOD, path, operation, its parameters and the path's)]"""
    return [(method.upper(), path, one, one.get("parameters", []) + item.get("parameters", []))
            for path, item in api["paths"].items() for method, one in item.items() if method in METHODS]


def starred(path):
    return re.sub(r"\{\w+\}", "*", path)


def check_routes(report, api):
    served = {}
    for source in files("server/*/*.c"):
        for method, path in re.findall(r'\{"([A-Z]+)", "(/api/[^"]*)"', source.read_text()):
            served[method, path] = name(source)
    report.check(len(served) > 20, "server/", "routes not found")
    described = {(method, starred(path)) for method, path, _, _ in operations(api)}
    for route, source in served.items():
        report.check(route in described, source, f"{FILE} has no {' '.join(route)}")
    for route in sorted(described):
        report.check(route in served, FILE, f"nobody serves {' '.join(route)}")


def check_parameters(report, api):
    """By name, all requests together; the bounds are for the test of the answers."""
    read = set()
    for source in files("server/admin/*.c", "server/command/standin_query.c"):
        read |= set(re.findall(r'(?:http1_query|admin_query_number)\(request, "(\w+)"', source.read_text()))
    described = set()
    for method, path, _, parameters in operations(api):
        where = f"{FILE}: {method} {path}"
        described |= {one["name"] for one in parameters if one["in"] == "query"}
        in_path = {one["name"] for one in parameters if one["in"] == "path"}
        report.check(in_path == set(re.findall(r"\{(\w+)\}", path)), where, "its parameters are not those of its path")
    for one in sorted(read - described):
        report.check(False, FILE, f"no request has the parameter {one}")
    for one in sorted(described - read):
        report.check(False, FILE, f"nobody reads the parameter {one}")


def check_references(report, api):
    used = set(re.findall(r'"\$ref": "#/components/(\w+/\w+)"', json.dumps(api)))
    there = {f"{kind}/{one}" for kind in ("schemas", "responses") for one in api["components"][kind]}
    for one in sorted(used ^ there):
        report.check(False, FILE, f"{one} is {'nowhere' if one in used else 'not used'}")
    ids = [one["operationId"] for _, _, one, _ in operations(api)]
    report.check(len(set(ids)) == len(ids), FILE, "an operationId stands twice")
    tags = {one["name"] for one in api["tags"]}
    report.check({tag for _, _, one, _ in operations(api) for tag in one["tags"]} == tags, FILE, "tags differ")


def check_askers(report, api):
    """What the commands and the dashboard ask for is there; a path put together of pieces, up to its first piece."""
    for source in files("server/command/*.c", "server/admin/ui/*.js"):
        for path in re.findall(r'["`](/api/[^"`?$%]*)', source.read_text()):
            found = any(path == starred(one) or path.endswith("/") and one.startswith(path) for one in api["paths"])
            report.check(found, name(source), f"{FILE} has no {path}")


def check_page(report, api):
    page = (ROOT / "docs/api.md").read_text()
    for path in api["paths"]:
        last = [part for part in path.split("/") if not part.startswith("{")][-1]
        report.check(re.search(rf"/{last}\b", page), "docs/api.md", f"does not name {path}")


def main():
    report = Report()
    api = json.loads((ROOT / FILE).read_text())
    check_routes(report, api)
    check_parameters(report, api)
    check_references(report, api)
    check_askers(report, api)
    check_page(report, api)
    report.end()


main()
